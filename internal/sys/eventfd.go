package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// CreateEventfd makes a close-on-exec eventfd(2) without blocking and with
// count 0.
func CreateEventfd(semaphore bool) (*os.File, error) {
	flags := unix.EFD_CLOEXEC | unix.EFD_NONBLOCK
	if semaphore {
		flags |= unix.EFD_SEMAPHORE
	}
	fd, err := unix.Eventfd(0, flags)
	if err != nil {
		return nil, os.NewSyscallError("eventfd2", err)
	}
	return os.NewFile(uintptr(fd), "eventfd"), nil
}
