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

// PidfdThread is PIDFD_THREAD (Linux 6.9), as flag of pidfd_open(2) and as
// fdinfo shows it.
const PidfdThread = unix.O_EXCL

// OpenProcess is PidfdOpen; thread says that it is to refer to the thread pid
// and not to the whole process.
func OpenProcess(pid int, thread bool) (*os.File, error) {
	flags := 0
	if thread {
		flags = PidfdThread
	}
	fd, err := unix.PidfdOpen(pid, flags)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// PidfdOpenThread opens one thread (Linux 6.9; EINVAL before).
func PidfdOpenThread(tid int) (int, error) {
	fd, err := unix.PidfdOpen(tid, PidfdThread)
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
