package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// MountProc mounts the proc of this process's pid namespace at /proc. Its mount
// namespace must be its own: what is mounted outside later is seen inside, but
// not the other way round.
func MountProc() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	return os.NewSyscallError("mount", unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""))
}

// StreamPair gives two sockets that are connected.
func StreamPair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}

// WaitAny is wait4(2) for any child, also those whose end gives no signal.
func WaitAny(options int) (pid int, status unix.WaitStatus, err error) {
	for {
		pid, err = unix.Wait4(-1, &status, options|unix.WALL, nil)
		if err != unix.EINTR {
			return pid, status, os.NewSyscallError("wait4", err)
		}
	}
}
