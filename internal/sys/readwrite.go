package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Read is read(2) as it is: unlike os.File it does not wait for a descriptor
// with O_NONBLOCK, and one byte count is one call.
func Read(fd int, b []byte) (int, error) {
	n := 0
	err := retry(func() (err error) {
		n, err = unix.Read(fd, b)
		return err
	})
	return max(n, 0), os.NewSyscallError("read", err)
}

// Write is write(2) as it is, see Read.
func Write(fd int, b []byte) (int, error) {
	n := 0
	err := retry(func() (err error) {
		n, err = unix.Write(fd, b)
		return err
	})
	return max(n, 0), os.NewSyscallError("write", err)
}

// Unread is how many bytes wait to be read from a pipe, terminal or inotify
// descriptor (FIONREAD, which x/sys calls TIOCINQ).
func Unread(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	return n, os.NewSyscallError("ioctl FIONREAD", err)
}

// Readable reports whether a read of fd would not wait.
func Readable(fd int) bool { return polled(fd, unix.POLLIN) }

// Writable reports whether a write to fd would not wait.
func Writable(fd int) bool { return polled(fd, unix.POLLOUT) }

func polled(fd int, event int16) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: event}}
	err := retry(func() error {
		_, err := unix.Poll(p, 0)
		return err
	})
	return err == nil && p[0].Revents&event != 0
}

// Ready is what poll(2) reports at once about a descriptor.
type Ready struct {
	Hup bool // POLLHUP: of a pipe's read end, nobody has the other end open
	Err bool // POLLERR: of a pipe's write end, nobody has the other end open
	Pri bool // POLLPRI: of a stream socket, a byte sent with MSG_OOB waits
}

// Poll asks poll(2) without waiting.
func Poll(fd int) (Ready, error) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
	err := retry(func() error {
		_, err := unix.Poll(p, 0)
		return err
	})
	return Ready{
		Hup: p[0].Revents&unix.POLLHUP != 0,
		Err: p[0].Revents&unix.POLLERR != 0,
		Pri: p[0].Revents&unix.POLLPRI != 0,
	}, os.NewSyscallError("poll", err)
}
