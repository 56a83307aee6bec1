package sys

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ckpt/internal/abi"
)

// Requests that x/sys/unix does not name (include/uapi/linux/ptrace.h).
const (
	ptracePeekSiginfo    = 0x4209
	ptraceGetSigMask     = 0x420a
	ptraceSetSigMask     = 0x420b
	ptraceGetSyscallInfo = 0x420e
	ptraceGetRseqConfig  = 0x420f
)

// ptrace makes one request. None but that of PtraceSeize blocks, so the
// scheduler is not told.
func ptrace(name string, request, tid, addr uintptr, data unsafe.Pointer) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, request, tid, addr, uintptr(data), 0, 0)
	if errno != 0 {
		return 0, fmt.Errorf("ptrace %s of thread %d: %w", name, tid, errno)
	}
	return int(n), nil
}

// ptraceNum is ptrace for requests whose data argument is a number.
func ptraceNum(name string, request, tid, data uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, request, tid, 0, data, 0, 0)
	if errno != 0 {
		return fmt.Errorf("ptrace %s of thread %d: %w", name, tid, errno)
	}
	return nil
}

// PtraceSeize makes the calling OS thread the tracer of tid without stopping
// it. All further requests have to come from the same OS thread. It waits while
// a thread of the process is in execve(2).
func PtraceSeize(tid int, options uint32) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, uintptr(options), 0, 0)
	if errno != 0 {
		return fmt.Errorf("ptrace seize of thread %d: %w", tid, errno)
	}
	return nil
}

// PtraceInterrupt asks a seized thread to stop.
func PtraceInterrupt(tid int) error {
	return ptraceNum("interrupt", unix.PTRACE_INTERRUPT, uintptr(tid), 0)
}

// PtraceCont lets a stopped thread go on with signal sig (0 for none).
func PtraceCont(tid int, sig syscall.Signal) error {
	return ptraceNum("cont", unix.PTRACE_CONT, uintptr(tid), uintptr(sig))
}

// PtraceSyscall is PtraceCont up to the next entry to or exit from a call.
func PtraceSyscall(tid int, sig syscall.Signal) error {
	return ptraceNum("syscall", unix.PTRACE_SYSCALL, uintptr(tid), uintptr(sig))
}

// PtraceDetach ends the tracing of a stopped thread.
func PtraceDetach(tid int, sig syscall.Signal) error {
	return ptraceNum("detach", unix.PTRACE_DETACH, uintptr(tid), uintptr(sig))
}

// PtraceSetOptions replaces all options of a stopped thread.
func PtraceSetOptions(tid int, options uint32) error {
	return ptraceNum("setoptions", unix.PTRACE_SETOPTIONS, uintptr(tid), uintptr(options))
}

// PtraceEventMessage reads the number that belongs to a PTRACE_EVENT stop.
func PtraceEventMessage(tid int) (uint64, error) {
	var n uint64
	_, err := ptrace("geteventmsg", unix.PTRACE_GETEVENTMSG, uintptr(tid), 0, unsafe.Pointer(&n))
	return n, err
}

// PtraceRegs reads the general purpose registers of a stopped thread. EIO
// tells of a thread in 32-bit mode, whose set is smaller.
func PtraceRegs(tid int) (abi.Regs, error) {
	var r abi.Regs
	n, err := regset("getregset", unix.PTRACE_GETREGSET, tid, abi.NTPrStatus, unsafe.Pointer(&r), abi.RegsSize)
	if err == nil && n != abi.RegsSize {
		err = fmt.Errorf("registers of thread %d: %d bytes, not %d: a 32-bit process? %w", tid, n, abi.RegsSize, unix.EIO)
	}
	return r, err
}

// PtraceSetRegs writes the general purpose registers of a stopped thread.
func PtraceSetRegs(tid int, r *abi.Regs) error {
	_, err := regset("setregset", unix.PTRACE_SETREGSET, tid, abi.NTPrStatus, unsafe.Pointer(r), abi.RegsSize)
	return err
}

// PtraceRegSet reads the register set that the ELF note type names into b and
// gives its size. A set larger than b is cut without an error.
func PtraceRegSet(tid int, note uint32, b []byte) (int, error) {
	return regset("getregset", unix.PTRACE_GETREGSET, tid, note, unsafe.Pointer(unsafe.SliceData(b)), len(b))
}

// PtraceSetRegSet writes a register set.
func PtraceSetRegSet(tid int, note uint32, b []byte) error {
	_, err := regset("setregset", unix.PTRACE_SETREGSET, tid, note, unsafe.Pointer(unsafe.SliceData(b)), len(b))
	return err
}

func regset(name string, request uintptr, tid int, note uint32, p unsafe.Pointer, n int) (int, error) {
	iov := unix.Iovec{Base: (*byte)(p), Len: uint64(n)}
	_, err := ptrace(name, request, uintptr(tid), uintptr(note), unsafe.Pointer(&iov))
	return int(iov.Len), err
}

// WaitThread looks, without waiting, for a change of a child or a traced
// thread. It gives ok false while there is none; ECHILD means that tid is
// neither.
func WaitThread(tid int) (status syscall.WaitStatus, ok bool, err error) {
	var st uint32
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&st)),
			unix.WNOHANG|unix.WALL, 0, 0, 0)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return 0, false, fmt.Errorf("wait4 for thread %d: %w", tid, errno)
		}
		return syscall.WaitStatus(st), int(n) == tid, nil
	}
}

// SleepThread lets the calling OS thread sleep. Unlike time.Sleep it needs no
// hop through the scheduler, which costs more than the sleeps used here.
func SleepThread(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // a signal only makes it shorter
}

// ReapThread is WaitThread for the end of a thread only. The calling OS thread
// need not be the one that traces it.
func ReapThread(tid int) error {
	// Of traced threads waitid(2) tells stops, too, asked or not: so look first
	// what there is, and leave it.
	var info [128]byte // siginfo_t
	wait := func(flags uintptr) error {
		_, _, errno := unix.RawSyscall6(unix.SYS_WAITID, unix.P_PID, uintptr(tid), uintptr(unsafe.Pointer(&info)),
			unix.WEXITED|unix.WNOHANG|unix.WALL|flags, 0, 0)
		if errno != 0 {
			return fmt.Errorf("waitid for thread %d: %w", tid, errno)
		}
		return nil
	}
	if err := wait(unix.WNOWAIT); err != nil {
		return err
	}
	switch code := *(*int32)(unsafe.Pointer(&info[8])); code { // si_code
	case 1, 2, 3: // CLD_EXITED, CLD_KILLED, CLD_DUMPED
		return wait(0)
	}
	return nil
}
