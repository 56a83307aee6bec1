package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// What two processes can share; the KCMP_* of include/uapi/linux/kcmp.h.
const (
	ShareMemory      = 1 // KCMP_VM
	ShareDescriptors = 2 // KCMP_FILES
	ShareFS          = 3 // KCMP_FS: cwd, root, umask
	ShareActions     = 4 // KCMP_SIGHAND
)

// Shared reports whether two processes share what, see kcmp(2).
func Shared(pid1, pid2, what int) (bool, error) {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid1), uintptr(pid2), uintptr(what), 0, 0, 0)
	if errno != 0 {
		return false, os.NewSyscallError("kcmp", errno)
	}
	return r == 0, nil
}

// KcmpOrder compares what two processes have of one of these: 0 means that they
// share it, -1 and 1 order them, so that many can be sorted.
func KcmpOrder(pid1, pid2, what int) (int, error) {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid1), uintptr(pid2), uintptr(what), 0, 0, 0)
	switch {
	case errno != 0:
		return 0, os.NewSyscallError("kcmp", errno)
	case r == 2:
		return 1, nil
	}
	return -int(r), nil
}
