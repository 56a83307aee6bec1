package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// DiskFree returns how many bytes an ordinary user may still write to the file
// system that path is on; see statfs(2).
func DiskFree(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(path, &st) }); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// NoExec reports whether the file system that fd is on is mounted so that no code
// can be mapped from it.
func NoExec(fd int) (bool, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return false, os.NewSyscallError("fstatfs", err)
	}
	return st.Flags&unix.ST_NOEXEC != 0, nil
}
