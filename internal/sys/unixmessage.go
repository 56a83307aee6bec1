package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// UnixMessage is a message in a unix socket, or the next part of a stream.
type UnixMessage struct {
	Data  []byte
	From  []byte     // the sender's name, as UnixSocket.Name; nil if it has none
	Cred  *UnixCred  // SCM_CREDENTIALS
	Files []*os.File // SCM_RIGHTS
}

// UnixCred is struct ucred.
type UnixCred struct {
	PID int32  `json:"pid"`
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

// PeerCred is who made the other end of a connected unix socket (SO_PEERCRED).
func PeerCred(fd int) (UnixCred, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return UnixCred{}, os.NewSyscallError("getsockopt SO_PEERCRED", err)
	}
	return UnixCred{PID: c.Pid, UID: c.Uid, GID: c.Gid}, nil
}

// maxRights is SCM_MAX_FD, how many descriptors a message can have.
const maxRights = 253

// PeekUnix copies the message at offset at (in bytes, of a stream or of all
// messages) without taking it out, and without waiting: EAGAIN if there is
// none. Data is up to limit bytes; size is how many there are. It sets
// SO_PEEK_OFF, which the caller has to put back.
//
// At -1, which is what SO_PEEK_OFF must be then and stays, it is the first. An
// empty message that was looked at once is found in no other way.
func PeekUnix(fd, at, limit int) (m UnixMessage, size int, err error) {
	if at >= 0 {
		if err := SetPeekOff(fd, at); err != nil {
			return m, 0, err
		}
	}
	var name unix.RawSockaddrUnix
	control := make([]byte, unix.CmsgSpace(maxRights*4)+unix.CmsgSpace(unix.SizeofUcred)+512)
	m.Data = make([]byte, limit)
	iov := unix.Iovec{}
	if limit > 0 {
		iov.Base = &m.Data[0]
	}
	iov.SetLen(limit)
	h := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&name)), Namelen: uint32(unsafe.Sizeof(name)), Iov: &iov, Control: &control[0]}
	h.SetIovlen(1)
	h.SetControllen(len(control))
	err = retry(func() error {
		n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)),
			unix.MSG_PEEK|unix.MSG_DONTWAIT|unix.MSG_TRUNC|unix.MSG_CMSG_CLOEXEC)
		size = int(n)
		return errnoOrNil(errno)
	})
	if err != nil {
		return m, 0, os.NewSyscallError("recvmsg", err)
	}
	m.Data = m.Data[:min(size, limit)]
	if n := int(h.Namelen) - int(unsafe.Offsetof(name.Path)); n > 0 {
		m.From = append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(&name.Path[0])), min(n, len(name.Path)))...)
	}
	err = m.takeControl(control[:h.Controllen])
	return m, size, err
}

// takeControl takes in what came with a message. Every descriptor in it is in
// m.Files, or closed.
func (m *UnixMessage) takeControl(control []byte) error {
	parts, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return os.NewSyscallError("recvmsg", err)
	}
	for _, p := range parts {
		if p.Header.Level != unix.SOL_SOCKET {
			continue
		}
		switch p.Header.Type {
		case unix.SCM_RIGHTS:
			fds, err := unix.ParseUnixRights(&p)
			if err != nil {
				return os.NewSyscallError("recvmsg", err)
			}
			for _, fd := range fds {
				m.Files = append(m.Files, os.NewFile(uintptr(fd), "descriptor in flight"))
			}
		case unix.SCM_CREDENTIALS:
			c, err := unix.ParseUnixCredentials(&p)
			if err != nil {
				return os.NewSyscallError("recvmsg", err)
			}
			m.Cred = &UnixCred{PID: c.Pid, UID: c.Uid, GID: c.Gid}
		case unix.SCM_PIDFD:
			if len(p.Data) >= 4 {
				_ = unix.Close(int(*(*int32)(unsafe.Pointer(&p.Data[0])))) // SO_PASSPIDFD: opened for whoever receives
			}
		}
	}
	return nil
}

// Close closes the descriptors of the message.
func (m *UnixMessage) Close() {
	for _, f := range m.Files {
		_ = f.Close() // only passed on
	}
}

// SendUnix sends a message to a name, or to the socket's peer if to is nil,
// without waiting: EAGAIN says that there is no room. Part of the data may be
// sent if it is a stream. m.From is not used.
func (as *As) SendUnix(fd int, m UnixMessage, to []byte) (int, error) {
	var control []byte
	if m.Cred != nil {
		control = append(control, unix.UnixCredentials(&unix.Ucred{Pid: m.Cred.PID, Uid: m.Cred.UID, Gid: m.Cred.GID})...)
	}
	if len(m.Files) > 0 {
		var fds []int
		for _, f := range m.Files {
			fds = append(fds, int(f.Fd()))
		}
		control = append(control, unix.UnixRights(fds...)...)
	}
	var iov unix.Iovec
	if len(m.Data) > 0 {
		iov.Base = &m.Data[0]
		iov.SetLen(len(m.Data))
	}
	h := unix.Msghdr{Iov: &iov}
	h.SetIovlen(1)
	if len(control) > 0 {
		h.Control = &control[0]
		h.SetControllen(len(control))
	}
	if to != nil {
		sa, size, err := unixSockaddr(to)
		if err != nil {
			return 0, err
		}
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(sa)), uint32(size)
	}
	sent := 0
	err := retry(func() error {
		n, err := as.call(&h, unix.SYS_SENDMSG, [4]uintptr{uintptr(fd), uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL})
		sent = int(n)
		return err
	})
	if err != nil {
		return 0, os.NewSyscallError("sendmsg", err)
	}
	return sent, nil
}
