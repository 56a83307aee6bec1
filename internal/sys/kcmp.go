package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// kcmpFile is KCMP_FILE of include/uapi/linux/kcmp.h.
const kcmpFile = 0

// KcmpFile compares two open file descriptions, see kcmp(2): 0 means they are
// the same, 1 and 2 order them (less, greater), so that many can be sorted.
func KcmpFile(pid1, fd1, pid2, fd2 int) (int, error) {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid1), uintptr(pid2), kcmpFile, uintptr(fd1), uintptr(fd2), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("kcmp", errno)
	}
	return int(r), nil
}
