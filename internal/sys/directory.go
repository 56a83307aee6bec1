package sys

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// InDirectory calls f on a thread whose working directory is dir, for what
// takes only a path and keeps it as it is. That of the others does not change.
func InDirectory(dir string, f func() error) error {
	result := make(chan error)
	go func() {
		// It is never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			result <- os.NewSyscallError("unshare", err)
			return
		}
		if err := unix.Chdir(dir); err != nil {
			result <- &os.PathError{Op: "chdir", Path: dir, Err: err}
			return
		}
		result <- f()
	}()
	return <-result
}
