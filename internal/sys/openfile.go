package sys

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags of open(2).
const (
	OAccMode   = unix.O_ACCMODE
	OAppend    = unix.O_APPEND
	OAsync     = unix.O_ASYNC
	OCloexec   = unix.O_CLOEXEC
	OCreat     = unix.O_CREAT
	ODirect    = unix.O_DIRECT
	ODirectory = unix.O_DIRECTORY
	OExcl      = unix.O_EXCL
	OLargefile = 0o100000 // what the kernel shows; O_LARGEFILE is 0 in 64-bit headers
	ONoatime   = unix.O_NOATIME
	ONoctty    = unix.O_NOCTTY
	ONofollow  = unix.O_NOFOLLOW
	ONonblock  = unix.O_NONBLOCK
	OPath      = unix.O_PATH
	ORdonly    = unix.O_RDONLY
	ORdwr      = unix.O_RDWR
	OTmpfile   = unix.O_TMPFILE
	OTrunc     = unix.O_TRUNC
	OWronly    = unix.O_WRONLY
)

// OpenFile is open(2) with exactly these flags and O_CLOEXEC. Unlike
// os.OpenFile it leaves O_NONBLOCK alone, which os sets on everything that can
// be polled. The error names the path.
func OpenFile(path string, flags int, mode uint32) (*os.File, error) {
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Open(path, flags|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// MayOpen is nil if this user may open the file with the access mode of flags,
// see access(2). Nothing is opened: closing it would drop the locks of a
// process that has it open already.
func MayOpen(path string, flags int) error {
	mode := uint32(unix.R_OK)
	switch flags & OAccMode {
	case OWronly:
		mode = unix.W_OK
	case ORdwr:
		mode = unix.R_OK | unix.W_OK
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "access", Path: path, Err: err}
	}
	return nil
}

// Reopen opens what fd refers to once more, with flags of its own, by
// /proc/self/fd, which also works for files without a name. O_NOFOLLOW is left
// out: what is there is a link.
func Reopen(fd, flags int) (*os.File, error) {
	return OpenFile(FDPath(fd), flags&^ONofollow, 0)
}

// FDPath is a path of this process that leads to what fd refers to.
func FDPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// futimens is utimensat(2) without a path, which x/sys does not offer.
func futimens(fd int, ts []unix.Timespec) error {
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
