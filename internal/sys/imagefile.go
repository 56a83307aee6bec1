package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Preallocate reserves disk space for [off, off+n) of f, making the file
// longer if need be. A file system that cannot reserve is no error: done tells
// whether it did. See fallocate(2).
func Preallocate(f *os.File, off, n int64) (done bool, err error) {
	err = retry(func() error { return unix.Fallocate(int(f.Fd()), 0, off, n) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return false, nil
	}
	if err != nil {
		return false, os.NewSyscallError("fallocate", err)
	}
	return true, nil
}

// PunchHole gives the disk space of [off, off+n) of f back; the bytes read as
// zero from then on and the length of the file stays. See fallocate(2).
func PunchHole(f *os.File, off, n int64) error {
	err := retry(func() error {
		return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
	if err != nil {
		return fmt.Errorf("punch a hole of %d bytes into %s: %w", n, f.Name(), err)
	}
	return nil
}

// SyncData writes the content of f to its disk, see fdatasync(2).
func SyncData(f *os.File) error {
	if err := retry(func() error { return unix.Fdatasync(int(f.Fd())) }); err != nil {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	return nil
}
