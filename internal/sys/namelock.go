package sys

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// LockName takes a name that only one process of the network namespace can have at
// a time, until the descriptor is closed: that of an abstract unix socket (unix(7)).
// EADDRINUSE says that somebody has it.
func LockName(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + name}); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// AnyLocked reports whether somebody has one of the names by LockName.
func AnyLocked(names []string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return slices.ContainsFunc(names, func(name string) bool {
		return unix.Connect(fd, &unix.SockaddrUnix{Name: "@" + name}) != unix.ECONNREFUSED
	})
}
