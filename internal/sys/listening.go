package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Listening reports whether a socket waits for connections (SO_ACCEPTCONN).
func Listening(fd int) (bool, error) {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return v != 0, os.NewSyscallError("getsockopt SO_ACCEPTCONN", err)
}
