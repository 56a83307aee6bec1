package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of fcntl(2) that plans contain.
const (
	FSetfd    = unix.F_SETFD
	FSetfl    = unix.F_SETFL
	FSetlk    = unix.F_SETLK
	FSetsig   = unix.F_SETSIG
	FSetownEx = unix.F_SETOWN_EX
	FAddSeals = unix.F_ADD_SEALS
	FDCloexec = unix.FD_CLOEXEC
)

// Types of FileOwner, see F_SETOWN_EX in fcntl(2) and
// include/uapi/asm-generic/fcntl.h.
const (
	FOwnerTID  = 0
	FOwnerPID  = 1
	FOwnerPGRP = 2
)

// StatusFlags are the access mode and status flags of an open file (F_GETFL).
func StatusFlags(fd int) (int, error) { return fcntl(fd, unix.F_GETFL, 0) }

// SetStatusFlags sets the status flags that F_SETFL can change and ignores the
// others.
func SetStatusFlags(fd, flags int) error {
	_, err := fcntl(fd, unix.F_SETFL, flags)
	return err
}

// Dup returns a close-on-exec duplicate of fd.
func Dup(fd int) (int, error) { return fcntl(fd, unix.F_DUPFD_CLOEXEC, 0) }

// DescriptorFlags are those of the descriptor, of which there is FDCloexec.
func DescriptorFlags(fd int) (int, error) { return fcntl(fd, unix.F_GETFD, 0) }

// DupFrom is fcntl(2) F_DUPFD_CLOEXEC: a copy of fd with the lowest free number
// from first on.
func DupFrom(fd, first int) (int, error) { return fcntl(fd, unix.F_DUPFD_CLOEXEC, first) }

// fOwnerEx is struct f_owner_ex.
type fOwnerEx struct {
	Type int32
	PID  int32
}

// FileOwner is who is sent signals about an open file (F_GETOWN_EX). pid is 0
// if nobody is.
func FileOwner(fd int) (typ, pid int, err error) {
	var o fOwnerEx
	err = fcntlPointer(fd, unix.F_GETOWN_EX, unsafe.Pointer(&o))
	return int(o.Type), int(o.PID), err
}

// SetFileOwner is F_SETOWN_EX.
func SetFileOwner(fd, typ, pid int) error {
	o := fOwnerEx{Type: int32(typ), PID: int32(pid)}
	return fcntlPointer(fd, unix.F_SETOWN_EX, unsafe.Pointer(&o))
}

// FileOwnerBytes is the argument of F_SETOWN_EX as it is in memory.
func FileOwnerBytes(typ, pid int) []byte {
	o := fOwnerEx{Type: int32(typ), PID: int32(pid)}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&o)), unsafe.Sizeof(o))...)
}

// FileSignal is the signal sent to the owner (F_GETSIG); 0 is SIGIO without
// details.
func FileSignal(fd int) (int, error) { return fcntl(fd, unix.F_GETSIG, 0) }

// SetFileSignal is F_SETSIG.
func SetFileSignal(fd, sig int) error {
	_, err := fcntl(fd, unix.F_SETSIG, sig)
	return err
}

// Lease kinds for SetLease.
const (
	LeaseWrite = unix.F_WRLCK
	LeaseNone  = unix.F_UNLCK
)

// SetLease is F_SETLEASE. A write lease is given only for a file that nobody
// else has open, which is what makes it a question worth asking: EAGAIN says
// that somebody has. It is allowed to the file's owner and with CAP_LEASE.
func SetLease(fd, kind int) error {
	_, err := fcntl(fd, unix.F_SETLEASE, kind)
	return err
}

func fcntl(fd, cmd, arg int) (int, error) {
	r := 0
	err := retry(func() (err error) {
		r, err = unix.FcntlInt(uintptr(fd), cmd, arg)
		return err
	})
	return r, os.NewSyscallError("fcntl", err)
}

func fcntlPointer(fd, cmd int, p unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_FCNTL, uintptr(fd), uintptr(cmd), uintptr(p))
	if errno != 0 {
		return os.NewSyscallError("fcntl", errno)
	}
	return nil
}
