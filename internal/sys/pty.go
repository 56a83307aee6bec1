package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Pty is the state of a pseudo terminal that only its master tells, see
// ioctl_tty(2).
type Pty struct {
	Locked    bool `json:"locked,omitempty"`    // TIOCSPTLCK: the slave can not be opened yet
	Packet    bool `json:"packet,omitempty"`    // TIOCPKT
	Exclusive bool `json:"exclusive,omitempty"` // TIOCEXCL, of the slave's side

	// Session is the session that it is the controlling terminal of, 0 if it is
	// none; Foreground is the process group in its foreground.
	Session    int `json:"session,omitempty"`
	Foreground int `json:"foreground,omitempty"`
}

// PtyOf is the state of the pseudo terminal whose master is fd.
func PtyOf(fd int) (p Pty, err error) {
	for _, q := range []struct {
		name    string
		request uint
		flag    *bool
	}{{"TIOCGPTLCK", unix.TIOCGPTLCK, &p.Locked}, {"TIOCGPKT", unix.TIOCGPKT, &p.Packet}, {"TIOCGEXCL", unix.TIOCGEXCL, &p.Exclusive}} {
		v, err := unix.IoctlGetInt(fd, q.request)
		if err != nil {
			return p, os.NewSyscallError("ioctl "+q.name, err)
		}
		*q.flag = int32(v) != 0
	}
	if sid, err := unix.IoctlGetInt(fd, unix.TIOCGSID); err == nil { // ENOTTY: nobody's
		p.Session = sid
		p.Foreground, _ = unix.IoctlGetInt(fd, unix.TIOCGPGRP) // 0 is none
	}
	return p, nil
}

// OpenPty makes a pseudo terminal: its master, without blocking and
// close-on-exec, and its number in /dev/pts. The slave's side is not locked.
func OpenPty() (master *os.File, number int, err error) {
	master, err = OpenFile("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	fd := int(master.Fd())
	if number, err = PtyNumber(fd); err == nil {
		err = SetPtyLock(fd, false)
	}
	if err != nil {
		_ = master.Close() // just opened
		return nil, 0, err
	}
	return master, number, nil
}

// PtyNumber is N of /dev/pts/N of a master.
func PtyNumber(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	return int(uint32(n)), os.NewSyscallError("ioctl TIOCGPTN", err)
}

// OpenPtySlave opens the other side of the master fd with flags of open(2), but
// not as a controlling terminal.
func OpenPtySlave(fd, flags int) (*os.File, error) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, uintptr(flags|unix.O_CLOEXEC|unix.O_NOCTTY))
	if errno != 0 {
		return nil, os.NewSyscallError("ioctl TIOCGPTPEER", errno)
	}
	return os.NewFile(n, "slave of a pseudo terminal"), nil
}

// SetPtyLock is TIOCSPTLCK.
func SetPtyLock(fd int, on bool) error { return setTTYFlag(fd, "TIOCSPTLCK", unix.TIOCSPTLCK, on) }

// SetPtyPacket is TIOCPKT.
func SetPtyPacket(fd int, on bool) error { return setTTYFlag(fd, "TIOCPKT", unix.TIOCPKT, on) }

// SetExclusive is TIOCEXCL of the terminal fd.
func SetExclusive(fd int) error {
	return os.NewSyscallError("ioctl TIOCEXCL", unix.IoctlSetInt(fd, unix.TIOCEXCL, 0))
}

// SetWinsize is TIOCSWINSZ.
func SetWinsize(fd int, w Winsize) error {
	return ioctlPointer(fd, "TIOCSWINSZ", unix.TIOCSWINSZ, unsafe.Pointer(&w))
}

func setTTYFlag(fd int, name string, request uint, on bool) error {
	v := int32(0)
	if on {
		v = 1
	}
	return ioctlPointer(fd, name, request, unsafe.Pointer(&v))
}
