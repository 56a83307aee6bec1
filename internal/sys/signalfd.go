package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CreateSignalfd makes a close-on-exec signalfd(2). Bit 0 of mask is signal 1.
func CreateSignalfd(mask uint64) (*os.File, error) {
	fd, _, errno := unix.Syscall6(unix.SYS_SIGNALFD4, ^uintptr(0),
		uintptr(unsafe.Pointer(&mask)), unsafe.Sizeof(mask), unix.SFD_CLOEXEC, 0, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("signalfd4", errno)
	}
	return os.NewFile(fd, "signalfd"), nil
}
