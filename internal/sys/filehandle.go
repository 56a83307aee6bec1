package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// FileHandle names a file without a path, see name_to_handle_at(2).
type FileHandle struct {
	Type  int32
	Bytes []byte
}

// HandleOf is the handle of path, which is not followed if it is a symbolic
// link. EOPNOTSUPP says that its file system has none.
func HandleOf(path string) (FileHandle, error) {
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
	if err != nil {
		return FileHandle{}, &os.PathError{Op: "name_to_handle_at", Path: path, Err: err}
	}
	return FileHandle{Type: h.Type(), Bytes: h.Bytes()}, nil
}

// OpenHandle opens the file with that handle on the file system that mount is
// on, as O_PATH. It needs CAP_DAC_READ_SEARCH. ESTALE says that the file is
// gone.
func OpenHandle(mount int, h FileHandle) (*os.File, error) {
	fd, err := unix.OpenByHandleAt(mount, unix.NewFileHandle(h.Type, h.Bytes), unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("open_by_handle_at", err)
	}
	return os.NewFile(uintptr(fd), "handle"), nil
}
