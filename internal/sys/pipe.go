package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Pipe makes a pipe, both ends close-on-exec and without blocking: what is
// done to it here never waits.
func Pipe() (r, w *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return os.NewFile(uintptr(p[0]), "pipe"), os.NewFile(uintptr(p[1]), "pipe"), nil
}

// PipeSize is the capacity of a pipe or FIFO in bytes (F_GETPIPE_SZ).
func PipeSize(fd int) (int, error) { return fcntl(fd, unix.F_GETPIPE_SZ, 0) }

// SetPipeSize sets the capacity of a pipe or FIFO, which the kernel rounds up.
// EPERM says that the user may not have that much, see pipe(7); EBUSY that it
// holds more already.
func SetPipeSize(fd, size int) error {
	_, err := fcntl(fd, unix.F_SETPIPE_SZ, size)
	return err
}

// Tee copies up to n bytes from one pipe to another without taking them out of
// the first, and without waiting, see tee(2). It returns 0 if the pipe is empty
// and has no writer, EAGAIN if it is empty and has one.
func Tee(in, out, n int) (int, error) {
	return moved("tee", func() (int64, error) { return unix.Tee(in, out, n, unix.SPLICE_F_NONBLOCK) })
}

// Splice moves up to n bytes from one pipe to another without waiting, buffer
// by buffer as they are, see splice(2).
func Splice(in, out, n int) (int, error) {
	return moved("splice", func() (int64, error) {
		return unix.Splice(in, nil, out, nil, n, unix.SPLICE_F_NONBLOCK)
	})
}

func moved(call string, f func() (int64, error)) (int, error) {
	var n int64
	err := retry(func() (err error) {
		n, err = f()
		return err
	})
	return int(n), os.NewSyscallError(call, err)
}

// Mkfifo makes a FIFO with exactly these permissions, whatever the umask.
func Mkfifo(path string, mode uint32) error {
	if err := unix.Mkfifo(path, mode); err != nil {
		return &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	if err := unix.Chmod(path, mode); err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}
