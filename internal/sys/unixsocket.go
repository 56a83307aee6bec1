package sys

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Types of unix sockets.
const (
	SockStream    = unix.SOCK_STREAM
	SockDgram     = unix.SOCK_DGRAM
	SockSeqpacket = unix.SOCK_SEQPACKET
)

// NewUnixSocket makes a unix socket, close-on-exec and without blocking.
func NewUnixSocket(typ int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return os.NewFile(uintptr(fd), "unix socket"), nil
}

// UnixPair makes two connected unix sockets, see socketpair(2), close-on-exec
// and without blocking.
func (as *As) UnixPair(typ int) (a, b *os.File, err error) {
	p, err := as.pair(typ | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(p[0]), "unix socket"), os.NewFile(uintptr(p[1]), "unix socket"), nil
}

// BindUnix gives a socket a name: sun_path as UnixSocket.Name has it. An empty
// one lets the kernel choose. EADDRINUSE says that it is taken.
func BindUnix(fd int, name []byte) error {
	return (*As)(nil).withUnixName("bind", unix.SYS_BIND, fd, name)
}

// ConnectUnix connects a socket to the one with that name.
func (as *As) ConnectUnix(fd int, name []byte) error {
	return as.withUnixName("connect", unix.SYS_CONNECT, fd, name)
}

// UnixFileFree is nil if no socket is bound to the file at path any more, and
// EADDRINUSE if one is. It asks without disturbing whoever is: a datagram
// socket can not be connected to one that listens.
func UnixFileFree(path string) error {
	probe, err := NewUnixSocket(unix.SOCK_DGRAM)
	if err != nil {
		return err
	}
	defer probe.Close()
	err = (*As)(nil).ConnectUnix(int(probe.Fd()), []byte(path))
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return nil
	case err == nil, errors.Is(err, unix.EPROTOTYPE), errors.Is(err, unix.EPERM):
		return unix.EADDRINUSE
	}
	return err
}

// maxUnixName is the length of sun_path; the kernel gives one byte more, for
// a path without an end, as a name.
const maxUnixName = 108

func (as *As) withUnixName(call string, nr uintptr, fd int, name []byte) error {
	sa, size, err := unixSockaddr(name)
	if err != nil {
		return err
	}
	return os.NewSyscallError(call, retry(func() error {
		_, err := as.call(sa, nr, [4]uintptr{uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(size)})
		return err
	}))
}

func errnoOrNil(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

func unixSockaddr(name []byte) (*unix.RawSockaddrUnix, int, error) {
	if len(name) > 0 && name[0] != 0 && name[len(name)-1] == 0 {
		name = name[:len(name)-1] // the kernel adds it
	}
	sa := &unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	if len(name) > maxUnixName {
		return nil, 0, fmt.Errorf("a socket's name of %d bytes: %w", len(name), unix.EINVAL)
	}
	for i, c := range name {
		sa.Path[i] = int8(c)
	}
	return sa, int(unsafe.Offsetof(sa.Path)) + len(name), nil
}

// Listen is listen(2).
func (as *As) Listen(fd, backlog int) error {
	_, err := as.call(nil, unix.SYS_LISTEN, [4]uintptr{uintptr(fd), uintptr(backlog)})
	return os.NewSyscallError("listen", err)
}

// Accept takes the first connection that waits; EAGAIN if there is none. The
// descriptor is close-on-exec and without blocking.
func Accept(fd int) (*os.File, error) {
	n := -1
	err := retry(func() (err error) {
		n, _, err = unix.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return err
	})
	if err != nil {
		return nil, os.NewSyscallError("accept4", err)
	}
	return os.NewFile(uintptr(n), "unix socket"), nil
}

// ShutdownUnix shuts down what, of UnixShutRead and UnixShutWrite.
func ShutdownUnix(fd, what int) error {
	how := map[int]int{UnixShutRead: unix.SHUT_RD, UnixShutWrite: unix.SHUT_WR, UnixShutRead | UnixShutWrite: unix.SHUT_RDWR}
	return os.NewSyscallError("shutdown", unix.Shutdown(fd, how[what]))
}

// Unsent is how many bytes a socket sent that wait to be received, as memory
// that the kernel needs for them (SIOCOUTQ); 0 is none.
func Unsent(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	return n, os.NewSyscallError("ioctl SIOCOUTQ", err)
}

// SocketProtocol names the protocol of the socket at path, such as
// /proc/PID/fd/N: "UNIX-STREAM", "TCP", "NETLINK" (the attribute
// system.sockprotoname of sockfs). "" if it does not tell.
func SocketProtocol(path string) string {
	var b [64]byte
	n, err := unix.Getxattr(path, "system.sockprotoname", b[:])
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(b[:max(n, 0)])
}

// UnixName is the name of a unix socket, see UnixSocket.Name; nil if it has
// none.
func UnixName(fd int) ([]byte, error) {
	var sa unix.RawSockaddrUnix
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return nil, os.NewSyscallError("getsockname", errno)
	}
	n := int(size) - int(unsafe.Offsetof(sa.Path))
	if n <= 0 {
		return nil, nil
	}
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(&sa.Path[0])), min(n, len(sa.Path)))...), nil
}
