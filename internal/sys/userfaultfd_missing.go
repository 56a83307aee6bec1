package sys

import (
	"encoding/binary"
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A userfaultfd that gives the content of missing pages (userfaultfd(2)).

// UserfaultfdDevice is where a userfaultfd that also handles the kernel's own faults
// can be had (Linux 6.1), by UserfaultfdNew. (With UserfaultfdUserModeOnly, system
// calls would fail with EFAULT.)
const (
	UserfaultfdDevice = "/dev/userfaultfd"
	UserfaultfdNew    = 0xaa00 // USERFAULTFD_IOC_NEW
)

// For the plan's own calls.
const (
	UffdAPIIoctl        = uffdAPIIoctl
	UffdRegisterIoctl   = uffdRegister
	UffdRegisterMissing = 1 << 0 // UFFDIO_REGISTER_MODE_MISSING
	UserfaultfdFlags    = unix.O_CLOEXEC | unix.O_NONBLOCK
	// UffdEvents are UFFD_FEATURE_EVENT_FORK, _REMAP, _REMOVE and _UNMAP. The
	// first one takes CAP_SYS_PTRACE.
	UffdEvents = 1<<1 | 1<<2 | 1<<3 | 1<<6
)

// UffdAPI is struct uffdio_api as it asks for those events.
func UffdAPI() [3]uint64 { return [3]uint64{uffdAPI, UffdEvents, 0} }

const (
	uffdWake     = 0x8010aa02 // UFFDIO_WAKE
	uffdCopy     = 0xc028aa03 // UFFDIO_COPY
	uffdZeroPage = 0xc020aa04 // UFFDIO_ZEROPAGE
	uffdMsgSize  = 32         // struct uffd_msg
)

// ProbePager reports why no userfaultfd can be had that handles all faults and tells
// of the events. device is where it comes from: nil for userfaultfd(2).
func ProbePager() (device *os.File, err error) {
	fd := -1
	if device, err = os.OpenFile(UserfaultfdDevice, os.O_RDWR, 0); err == nil {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, device.Fd(), UserfaultfdNew, UserfaultfdFlags)
		fd, err = int(n), os.NewSyscallError("USERFAULTFD_IOC_NEW", errnoOrNil(errno))
	}
	if err != nil {
		if device != nil {
			device.Close()
			device = nil
		}
		n, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, UserfaultfdFlags, 0, 0)
		if fd, err = int(n), os.NewSyscallError("userfaultfd", errnoOrNil(errno)); err != nil {
			return nil, err
		}
	}
	defer unix.Close(fd)
	if err := UserfaultfdWatch(fd); err != nil {
		if device != nil {
			device.Close()
		}
		return nil, err
	}
	return device, nil
}

// UserfaultfdWatch makes of a new userfaultfd one that tells of those events.
func UserfaultfdWatch(fd int) error {
	api := UffdAPI()
	return uffdIoctl("UFFDIO_API", fd, uffdAPIIoctl, unsafe.Pointer(&api))
}

// UserfaultfdCopy gives [to, to+len(p)) the content p, as far as it comes (in bytes).
// EAGAIN says that there is an event to be read first, EEXIST that the next page is
// there, ENOENT that the range is not wholly in one mapping that is registered, ESRCH
// that the process is gone.
func UserfaultfdCopy(fd int, to uint64, p []byte) (int, error) {
	c := struct {
		dst  uint64
		src  unsafe.Pointer
		len  uint64
		mode uint64
		done int64
	}{to, unsafe.Pointer(&p[0]), uint64(len(p)), 0, 0}
	err := uffdIoctl("UFFDIO_COPY", fd, uffdCopy, unsafe.Pointer(&c))
	return int(max(c.done, 0)), err
}

// UserfaultfdZero gives [to, to+n) zeros; as UserfaultfdCopy.
func UserfaultfdZero(fd int, to, n uint64) error {
	z := struct {
		start, len, mode uint64
		done             int64
	}{to, n, 0, 0}
	return uffdIoctl("UFFDIO_ZEROPAGE", fd, uffdZeroPage, unsafe.Pointer(&z))
}

// UserfaultfdWake lets those go on who wait for a page of [start, end): they look again.
func UserfaultfdWake(fd int, start, end uint64) error {
	r := struct{ start, len uint64 }{start, end - start}
	return uffdIoctl("UFFDIO_WAKE", fd, uffdWake, unsafe.Pointer(&r))
}

// UffdEvent says what a message of a userfaultfd is about.
type UffdEvent byte

// Of linux/userfaultfd.h.
const (
	UffdPageFault UffdEvent = 0x12
	UffdFork      UffdEvent = 0x13
	UffdRemap     UffdEvent = 0x14
	UffdRemove    UffdEvent = 0x15
	UffdUnmap     UffdEvent = 0x16
)

// UffdMessage is struct uffd_msg.
type UffdMessage struct {
	Event      UffdEvent
	Start, End uint64 // fault: Start; remove, unmap: both; remap: from where
	To         uint64 // remap
	Child      int    // fork: the child's userfaultfd
}

// ReadUserfaultfd takes the next message, nil if there is none.
func ReadUserfaultfd(fd int) (*UffdMessage, error) {
	var b [uffdMsgSize]byte
	n := 0
	err := retry(func() (err error) { n, err = unix.Read(fd, b[:]); return err })
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil, nil
	case err != nil:
		return nil, os.NewSyscallError("read", err)
	case n != len(b):
		return nil, errors.New("a message of a userfaultfd has another length")
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	m := &UffdMessage{Event: UffdEvent(b[0])}
	switch m.Event {
	case UffdPageFault:
		m.Start = word(2)
	case UffdFork:
		m.Child = int(uint32(word(1)))
	case UffdRemap:
		m.Start, m.To = word(1), word(2)
		m.End = m.Start + word(3)
	case UffdRemove, UffdUnmap:
		m.Start, m.End = word(1), word(2)
	}
	return m, nil
}

// PollIn waits until one of the descriptors can be read from or its other end is gone, timeout milliseconds
// at most (-1: for ever), and tells of which that is so.
func PollIn(fds []int, timeout int) ([]bool, error) {
	p := make([]unix.PollFd, len(fds))
	for i, fd := range fds {
		p[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	if err := retry(func() error { _, err := unix.Poll(p, timeout); return err }); err != nil {
		return nil, os.NewSyscallError("poll", err)
	}
	ready := make([]bool, len(fds))
	for i := range p {
		ready[i] = p[i].Revents != 0
	}
	return ready, nil
}

// PidfdKill ends the process behind a pidfd by SIGKILL.
func PidfdKill(pidfd int) error {
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0))
}

// ReceiveTimeout bounds how long a socket's receiver waits, in seconds.
func ReceiveTimeout(fd, seconds int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(seconds)}))
}

// ReceiveDescriptor waits for what SendDescriptor sends; closed: the other end is gone.
// It is no os.File, whose Fd would make it blocking, and such a userfaultfd can not be
// polled.
func ReceiveDescriptor(socket int) (fd int, closed bool, err error) {
	b, control := make([]byte, 1), make([]byte, CmsgRightsSize)
	var n, got int
	err = retry(func() (err error) {
		n, got, _, _, err = unix.Recvmsg(socket, b, control, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil || n == 0 {
		return -1, err == nil, os.NewSyscallError("recvmsg", err)
	}
	parts, err := unix.ParseSocketControlMessage(control[:got])
	if err != nil || len(parts) != 1 {
		return -1, false, errors.New("no descriptor was sent")
	}
	fds, err := unix.ParseUnixRights(&parts[0])
	if err != nil || len(fds) != 1 {
		return -1, false, errors.New("no descriptor was sent")
	}
	return fds[0], false, nil
}
