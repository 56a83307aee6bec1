package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctls of terminals with the speed as a number, include/uapi/asm-generic/ioctls.h;
// x/sys has only the older ones.
const (
	tcgets2 = 0x802c542a // TCGETS2
	tcsets2 = 0x402c542b // TCSETS2, which does not wait for output

	// TerminalSetIoctl is TCSETS2 for plans.
	TerminalSetIoctl = tcsets2
)

// Termios is struct termios2.
type Termios struct {
	Iflag  uint32   `json:"iflag"`
	Oflag  uint32   `json:"oflag"`
	Cflag  uint32   `json:"cflag"`
	Lflag  uint32   `json:"lflag"`
	Line   uint8    `json:"line"`
	Cc     [19]byte `json:"cc"`
	Ispeed uint32   `json:"ispeed"`
	Ospeed uint32   `json:"ospeed"`
}

// TermiosOf are the settings of the terminal fd. ENOTTY says that it is none.
func TermiosOf(fd int) (Termios, error) {
	var t Termios
	err := ioctlPointer(fd, "TCGETS2", tcgets2, unsafe.Pointer(&t))
	return t, err
}

// SetTermios changes the settings of the terminal fd at once.
func SetTermios(fd int, t Termios) error {
	return ioctlPointer(fd, "TCSETS2", tcsets2, unsafe.Pointer(&t))
}

// TermiosBytes is struct termios2 as it is in memory.
func TermiosBytes(t Termios) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&t)), unsafe.Sizeof(t))...)
}

// Parts of Termios.
const (
	TermICANON = unix.ICANON // of Lflag
	TermVEOF   = unix.VEOF   // of Cc
)

// Winsize is struct winsize: a terminal's size in characters and pixels.
type Winsize struct {
	Row    uint16 `json:"row"`
	Col    uint16 `json:"col"`
	Xpixel uint16 `json:"xpixel"`
	Ypixel uint16 `json:"ypixel"`
}

// WinsizeOf is the size of the terminal fd.
func WinsizeOf(fd int) (Winsize, error) {
	ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return Winsize{}, os.NewSyscallError("ioctl TIOCGWINSZ", err)
	}
	return Winsize(*ws), nil
}

// ForegroundGroup is the process group in the foreground of the terminal fd.
// ENOTTY says that it is not the controlling terminal of this process.
func ForegroundGroup(fd int) (int, error) {
	pgrp, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return pgrp, os.NewSyscallError("ioctl TIOCGPGRP", err)
}

// SetForegroundGroup puts a process group into the foreground of the terminal
// fd. Whoever is not there itself gets SIGTTOU, unless it ignores that.
func SetForegroundGroup(fd, group int) error {
	return os.NewSyscallError("ioctl TIOCSPGRP", unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group))
}

// ProcessGroup is the process group of this process.
func ProcessGroup() int { return unix.Getpgrp() }

func ioctlPointer(fd int, name string, request uint, p unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(p))
	if errno != 0 {
		return os.NewSyscallError("ioctl "+name, errno)
	}
	return nil
}
