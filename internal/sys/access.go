package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// AccessWrite returns nil if files can be created in the directory, see
// faccessat(2). It asks for the effective user, and knows of read-only file
// systems.
func AccessWrite(dir string) error {
	err := retry(func() error {
		return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	})
	if err != nil {
		return &os.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}
