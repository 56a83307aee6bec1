package sys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// UnixSocket is what the kernel tells of a unix socket to anybody in its
// network namespace, see sock_diag(7) and net/unix/diag.c.
type UnixSocket struct {
	Ino      uint32
	Type     int // SOCK_*
	Shutdown int // UnixShutRead | UnixShutWrite
	Listens  bool

	// Name is what bind(2) was given, or the kernel chose: sun_path, with its
	// NUL in front if it is abstract. nil if it has none.
	Name []byte

	// File is where the name led to when it was bound.
	File *UnixFile

	// Peer is the inode of the socket it is connected to; 0 if that was
	// closed, or is not accepted yet. HasPeer is false if it has none.
	Peer    uint32
	HasPeer bool

	// Pending are the inodes of those who wait for accept(2), the first one
	// first; 0 is one who has been closed meanwhile.
	Pending []uint32

	Queue   int // bytes to read; of one that listens, how many wait
	Backlog int // of one that listens: listen(2)'s argument
}

// UnixFile is the file of a socket with a path.
type UnixFile struct {
	Dev uint32 // the kernel's dev_t: major<<20 | minor
	Ino uint32 // the lower half
}

// What is shut down of a UnixSocket: RCV_SHUTDOWN, SEND_SHUTDOWN of
// include/net/sock.h.
const (
	UnixShutRead  = 1
	UnixShutWrite = 2
)

// Numbers of include/uapi/linux/unix_diag.h and include/net/tcp_states.h.
const (
	sockDiagByFamily = 20

	udiagShow = 1 | 2 | 4 | 8 | 16 // NAME, VFS, PEER, ICONS, RQLEN

	unixDiagName     = 0
	unixDiagVFS      = 1
	unixDiagPeer     = 2
	unixDiagIcons    = 3
	unixDiagRqlen    = 4
	unixDiagShutdown = 6

	unixDiagReqLen = 24
	unixDiagMsgLen = 16

	tcpListen = 10
)

// unixDiagSizes are the lengths of attributes that have one.
var unixDiagSizes = map[uint16]int{unixDiagVFS: 8, unixDiagPeer: 4, unixDiagRqlen: 8, unixDiagShutdown: 1}

// errShortDiag is for answers that end before they should.
var errShortDiag = errors.New("unix_diag: answer too short")

// UnixSockets lists all unix sockets of this network namespace by inode. Those
// that nobody has open are not among them: closed ones of which data remain,
// and connections that were not accepted yet.
func UnixSockets() (map[uint32]*UnixSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, os.NewSyscallError("socket NETLINK_SOCK_DIAG", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, unixDiagRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, os.NewSyscallError("send unix_diag request", err)
	}
	all := map[uint32]*UnixSocket{}
	buf := make([]byte, 64<<10)
	for {
		n := 0
		err := retry(func() (err error) {
			n, _, err = unix.Recvfrom(fd, buf, unix.MSG_TRUNC)
			return err
		})
		if err != nil {
			return nil, os.NewSyscallError("receive unix_diag answer", err)
		}
		if n > len(buf) {
			return nil, fmt.Errorf("unix_diag: answer of %d bytes", n)
		}
		done, err := parseUnixDiag(buf[:n], func(s *UnixSocket) { all[s.Ino] = s })
		if err != nil {
			return nil, err
		}
		if done {
			return all, nil
		}
	}
}

func unixDiagRequest() []byte {
	b := make([]byte, unix.SizeofNlMsghdr+unixDiagReqLen)
	le := binary.NativeEndian
	le.PutUint32(b, uint32(len(b)))
	le.PutUint16(b[4:], sockDiagByFamily)
	le.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req := b[unix.SizeofNlMsghdr:] // struct unix_diag_req
	req[0] = unix.AF_UNIX
	le.PutUint32(req[4:], 1<<32-1) // every state
	le.PutUint32(req[12:], udiagShow)
	return b
}

// parseUnixDiag reads one answer of netlink, which has several messages. done
// says that it was the last one.
func parseUnixDiag(b []byte, found func(*UnixSocket)) (done bool, err error) {
	le := binary.NativeEndian
	for len(b) >= unix.SizeofNlMsghdr {
		n := int(le.Uint32(b))
		if n < unix.SizeofNlMsghdr || n > len(b) {
			return false, errShortDiag
		}
		body := b[unix.SizeofNlMsghdr:n]
		switch le.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return false, errShortDiag
			}
			if errno := unix.Errno(-int32(le.Uint32(body))); errno != 0 {
				return false, os.NewSyscallError("unix_diag", errno)
			}
		case sockDiagByFamily:
			s, err := parseUnixSocket(body)
			if err != nil {
				return false, err
			}
			found(s)
		}
		b = b[min(align4(n), len(b)):]
	}
	if len(b) > 0 {
		return false, errShortDiag
	}
	return false, nil
}

// parseUnixSocket reads a struct unix_diag_msg and the attributes behind it.
func parseUnixSocket(b []byte) (*UnixSocket, error) {
	if len(b) < unixDiagMsgLen {
		return nil, errShortDiag
	}
	le := binary.NativeEndian
	s := &UnixSocket{Type: int(b[1]), Listens: b[2] == tcpListen, Ino: le.Uint32(b[4:])}
	for b = b[unixDiagMsgLen:]; len(b) >= unix.SizeofNlAttr; {
		n := int(le.Uint16(b))
		if n < unix.SizeofNlAttr || n > len(b) {
			return nil, errShortDiag
		}
		if err := s.set(le.Uint16(b[2:]), b[unix.SizeofNlAttr:n]); err != nil {
			return nil, err
		}
		b = b[min(align4(n), len(b)):]
	}
	return s, nil
}

// set takes in one attribute. Unknown ones are left out.
func (s *UnixSocket) set(kind uint16, value []byte) error {
	le := binary.NativeEndian
	if len(value) < unixDiagSizes[kind] {
		return errShortDiag
	}
	switch kind {
	case unixDiagName:
		s.Name = append([]byte{}, value...)
	case unixDiagVFS:
		s.File = &UnixFile{Ino: le.Uint32(value), Dev: le.Uint32(value[4:])}
	case unixDiagPeer:
		s.Peer, s.HasPeer = le.Uint32(value), true
	case unixDiagIcons:
		for ; len(value) >= 4; value = value[4:] {
			s.Pending = append(s.Pending, le.Uint32(value))
		}
	case unixDiagRqlen:
		s.Queue, s.Backlog = int(le.Uint32(value)), int(le.Uint32(value[4:]))
	case unixDiagShutdown:
		s.Shutdown = int(value[0])
	}
	return nil
}

func align4(n int) int { return (n + 3) &^ 3 }
