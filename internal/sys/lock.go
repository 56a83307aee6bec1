package sys

import (
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TryFlock takes a lock on the open file without waiting, see flock(2). EAGAIN
// says that somebody else holds it.
func TryFlock(fd int, exclusive bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	err := retry(func() error { return unix.Flock(fd, how|unix.LOCK_NB) })
	return os.NewSyscallError("flock", err)
}

// Unflock gives the lock of an open file description back, whoever else has it open
// by a copy of the descriptor.
func Unflock(fd int) error {
	return os.NewSyscallError("flock", retry(func() error { return unix.Flock(fd, unix.LOCK_UN) }))
}

// TryOFDLock takes a lock on bytes [start, end] of the open file without
// waiting, see "Open file description locks" in fcntl(2). end -1 is to the end
// of the file. EAGAIN says that somebody else holds one.
func TryOFDLock(fd int, exclusive bool, start, end int64) error {
	lk := flock(exclusive, start, end)
	err := retry(func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lk) })
	return os.NewSyscallError("fcntl", err)
}

// POSIXLockBytes is the argument of F_SETLK as it is in memory, for bytes
// [start, end]; end -1 is to the end of the file.
func POSIXLockBytes(exclusive bool, start, end int64) []byte {
	lk := flock(exclusive, start, end)
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&lk)), unsafe.Sizeof(lk))...)
}

// POSIXLockHolder says which process holds a POSIX lock that stands against
// one on [start, end] of the open file; 0 is nobody and -1 somebody who can
// not be named (an open file description, or another pid namespace).
func POSIXLockHolder(fd int, exclusive bool, start, end int64) (int, error) {
	lk := flock(exclusive, start, end)
	if err := unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &lk); err != nil {
		return 0, os.NewSyscallError("fcntl", err)
	}
	if lk.Type == unix.F_UNLCK {
		return 0, nil
	}
	if lk.Pid <= 0 {
		return -1, nil
	}
	return int(lk.Pid), nil
}

func flock(exclusive bool, start, end int64) unix.Flock_t {
	lk := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart, Start: start}
	if exclusive {
		lk.Type = unix.F_WRLCK
	}
	if end >= 0 {
		lk.Len = end - start + 1
	}
	return lk
}
