package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Prctl is prctl(2) on the calling thread; it returns the result, which some
// operations have.
func Prctl(op int, args ...uint64) (int, error) {
	var a [4]uintptr
	for i, v := range args {
		a[i] = uintptr(v)
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, uintptr(op), a[0], a[1], a[2], a[3], 0)
	if errno != 0 {
		return 0, os.NewSyscallError("prctl", errno)
	}
	return int(r), nil
}
