package sys

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ckpt/internal/abi"
)

// PtraceSigMask reads the blocked signals of a stopped thread, bit n-1 for
// signal n. Inside sigsuspend(2), ppoll(2) and the like it is the mask that
// will hold after the call (kernel/ptrace.c).
func PtraceSigMask(tid int) (uint64, error) {
	var m uint64
	_, err := ptrace("getsigmask", ptraceGetSigMask, uintptr(tid), unsafe.Sizeof(m), unsafe.Pointer(&m))
	return m, err
}

// PtraceSetSigMask replaces the blocked signals of a stopped thread.
func PtraceSetSigMask(tid int, m uint64) error {
	_, err := ptrace("setsigmask", ptraceSetSigMask, uintptr(tid), unsafe.Sizeof(m), unsafe.Pointer(&m))
	return err
}

// PtraceSiginfo reads the siginfo of the signal that stopped the thread.
func PtraceSiginfo(tid int) (abi.Siginfo, error) {
	var si abi.Siginfo
	_, err := ptrace("getsiginfo", unix.PTRACE_GETSIGINFO, uintptr(tid), 0, unsafe.Pointer(&si))
	return si, err
}

// PtracePeekSiginfo copies queued signals from the off-th on into b, those of
// the process if shared, else those of the thread, and gives their number.
func PtracePeekSiginfo(tid int, off uint64, shared bool, b []abi.Siginfo) (int, error) {
	args := struct {
		off   uint64
		flags uint32
		nr    int32
	}{off: off, nr: int32(len(b))}
	if shared {
		args.flags = abi.PtracePeekSigShared
	}
	// Not through ptrace: there the address would be a number, which does not
	// follow when the stack moves.
	n, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, ptracePeekSiginfo, uintptr(tid),
		uintptr(unsafe.Pointer(&args)), uintptr(unsafe.Pointer(unsafe.SliceData(b))), 0, 0)
	if errno != 0 {
		return 0, fmt.Errorf("ptrace peeksiginfo of thread %d: %w", tid, errno)
	}
	return int(n), nil
}

// PtraceRseq reads where the thread has registered its rseq area (kernel
// 5.13; EIO before).
func PtraceRseq(tid int) (abi.RseqConfig, error) {
	var c abi.RseqConfig
	_, err := ptrace("get_rseq_configuration", ptraceGetRseqConfig, uintptr(tid), unsafe.Sizeof(c), unsafe.Pointer(&c))
	return c, err
}

// PtraceSyscallInfo tells at which stop a thread is (kernel 5.3; EIO before).
func PtraceSyscallInfo(tid int) (abi.SyscallInfo, error) {
	var i abi.SyscallInfo
	_, err := ptrace("get_syscall_info", ptraceGetSyscallInfo, uintptr(tid), unsafe.Sizeof(i), unsafe.Pointer(&i))
	return i, err
}

// RobustList gives the head and the length that thread tid has registered with
// set_robust_list(2). It needs no stop, only the right to trace.
func RobustList(tid int) (head, length uint64, err error) {
	_, _, errno := unix.RawSyscall(unix.SYS_GET_ROBUST_LIST, uintptr(tid),
		uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&length)))
	if errno != 0 {
		return 0, 0, fmt.Errorf("robust list of thread %d: %w", tid, errno)
	}
	return head, length, nil
}

// Tkill sends a signal to the thread tid.
func Tkill(tid int, sig syscall.Signal) error {
	_, _, errno := unix.Syscall(unix.SYS_TKILL, uintptr(tid), uintptr(sig), 0)
	if errno != 0 {
		return os.NewSyscallError("tkill", errno)
	}
	return nil
}
