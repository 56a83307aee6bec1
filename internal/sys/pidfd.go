package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// PidfdOpen opens process pid, see pidfd_open(2). The descriptor is
// close-on-exec.
func PidfdOpen(pid int) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, os.NewSyscallError("pidfd_open", err)
	}
	return fd, nil
}

// PidfdGetfd returns a new descriptor of this process for the open file
// description that fd refers to in the process behind pidfd, see
// pidfd_getfd(2) (Linux 5.6). It needs the rights of ptrace attach. The
// descriptor is close-on-exec.
func PidfdGetfd(pidfd, fd int) (int, error) {
	local, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return -1, os.NewSyscallError("pidfd_getfd", err)
	}
	return local, nil
}
