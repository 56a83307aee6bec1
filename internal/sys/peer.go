package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Peer is the process that made the other end of a connected Unix socket, or
// both ends of a socket pair (SO_PEERCRED); 0 where there is none.
func Peer(fd int) (pid int, err error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt SO_PEERCRED", err)
	}
	return int(c.Pid), nil
}

// Listening reports whether a socket waits for connections (SO_ACCEPTCONN).
func Listening(fd int) (bool, error) {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return v != 0, os.NewSyscallError("getsockopt SO_ACCEPTCONN", err)
}
