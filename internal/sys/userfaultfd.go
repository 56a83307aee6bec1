package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/userfaultfd.h.
const (
	UserfaultfdUserModeOnly = 1 // UFFD_USER_MODE_ONLY, flag of userfaultfd(2)

	uffdAPI            = 0xaa
	uffdAPIIoctl       = 0xc018aa3f // UFFDIO_API
	uffdRegister       = 0xc020aa00 // UFFDIO_REGISTER
	uffdUnregister     = 0x8010aa01 // UFFDIO_UNREGISTER
	uffdRegisterWP     = 1 << 1     // UFFDIO_REGISTER_MODE_WP
	uffdWPShared       = 1 << 12    // UFFD_FEATURE_WP_HUGETLBFS_SHMEM
	uffdWPUnpopulated  = 1 << 13    // UFFD_FEATURE_WP_UNPOPULATED
	UserfaultfdWPAsync = 1 << 15    // UFFD_FEATURE_WP_ASYNC
)

// UserfaultfdAsync makes of a new userfaultfd one whose write protection the
// kernel lifts by itself at the first write to a page. EINVAL says that the
// kernel (before 6.7) can not.
func UserfaultfdAsync(fd int) error {
	api := struct{ api, features, ioctls uint64 }{uffdAPI, UserfaultfdWPAsync | uffdWPUnpopulated | uffdWPShared, 0}
	return uffdIoctl("UFFDIO_API", fd, uffdAPIIoctl, unsafe.Pointer(&api))
}

// UserfaultfdRegister lets a userfaultfd watch the writes to [start, end) of the
// process that it was made in. EBUSY says that another one does.
func UserfaultfdRegister(fd int, start, end uint64) error {
	r := struct{ start, len, mode, ioctls uint64 }{start, end - start, uffdRegisterWP, 0}
	return uffdIoctl("UFFDIO_REGISTER", fd, uffdRegister, unsafe.Pointer(&r))
}

// UserfaultfdUnregister ends that, and takes the protection from all pages.
func UserfaultfdUnregister(fd int, start, end uint64) error {
	r := struct{ start, len uint64 }{start, end - start}
	return uffdIoctl("UFFDIO_UNREGISTER", fd, uffdUnregister, unsafe.Pointer(&r))
}

func uffdIoctl(name string, fd int, request uintptr, arg unsafe.Pointer) error {
	err := retry(func() error {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
			return errno
		}
		return nil
	})
	return os.NewSyscallError(name, err)
}
