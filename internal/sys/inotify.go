package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Flags of inotify_add_watch(2).
const (
	InotifyEvents     = unix.IN_ALL_EVENTS
	InotifyExclUnlink = unix.IN_EXCL_UNLINK
	InotifyOneshot    = unix.IN_ONESHOT
	InotifyDontFollow = unix.IN_DONT_FOLLOW
)

// CreateInotify makes a close-on-exec inotify(7) descriptor without blocking.
func CreateInotify() (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}

// AddWatch is inotify_add_watch(2). It returns the number of the watch. The
// error names the path.
func AddWatch(fd int, path string, mask uint32) (int, error) {
	wd, err := unix.InotifyAddWatch(fd, path, mask)
	if err != nil {
		return -1, &os.PathError{Op: "inotify_add_watch", Path: path, Err: err}
	}
	return wd, nil
}

// RemoveWatch is inotify_rm_watch(2).
func RemoveWatch(fd, wd int) error {
	_, err := unix.InotifyRmWatch(fd, uint32(wd))
	return os.NewSyscallError("inotify_rm_watch", err)
}
