package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kcmpEpollTFD is KCMP_EPOLL_TFD of include/uapi/linux/kcmp.h.
const kcmpEpollTFD = 7

// EpollSlot names a registration of an epoll set (struct kcmp_epoll_slot).
type EpollSlot struct {
	EpFD uint32 // the set
	TFD  uint32 // the number it was registered under
	Skip uint32 // which one of those with that number, as listed in fdinfo
}

// KcmpEpoll reports whether descriptor fd of process pid refers to the very
// open file description that is registered in the slot of an epoll set of
// process setPID. EBADF says that fd is not open, ENOENT that there is no such
// registration, EOPNOTSUPP or ENOSYS that this kernel can not tell.
func KcmpEpoll(pid, fd, setPID int, slot EpollSlot) (bool, error) {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid), uintptr(setPID), kcmpEpollTFD,
		uintptr(fd), uintptr(unsafe.Pointer(&slot)), 0)
	if errno != 0 {
		return false, os.NewSyscallError("kcmp", errno)
	}
	return r == 0, nil
}
