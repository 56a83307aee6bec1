package ptrace

import (
	"errors"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// SigMask reads the blocked signals, bit n-1 for signal n. Inside sigsuspend,
// ppoll and the like it is the mask that holds after the call.
func (t *Thread) SigMask() (uint64, error) {
	m, err := sys.PtraceSigMask(t.tid)
	return m, t.request(err)
}

// SetSigMask replaces the blocked signals. SIGKILL and SIGSTOP stay unblocked.
func (t *Thread) SetSigMask(m uint64) error {
	return t.request(sys.PtraceSetSigMask(t.tid, m))
}

// Pending lists the queued signals, oldest first: those of the whole process
// if shared, else those of the thread. It includes ignored ones, which the
// kernel queues for a traced thread.
func (t *Thread) Pending(shared bool) ([]abi.Siginfo, error) {
	var all []abi.Siginfo
	batch := make([]abi.Siginfo, 4) // there are hardly ever more
	for {
		// The kernel gives fewer than there are when a signal arrives for the
		// caller, which the Go runtime sends itself all the time: only none at all
		// is the end (kernel/ptrace.c, ptrace_peek_siginfo).
		n, err := sys.PtracePeekSiginfo(t.tid, uint64(len(all)), shared, batch)
		if err := t.request(err); err != nil {
			return nil, err
		}
		if n == 0 {
			return all, nil
		}
		all = append(all, batch[:n]...)
	}
}

// Siginfo reads the siginfo of the thread's present stop.
func (t *Thread) Siginfo() (abi.Siginfo, error) {
	si, err := sys.PtraceSiginfo(t.tid)
	return si, t.request(err)
}

// SyscallInfo tells at which stop the thread is, and of which call. A kernel
// older than 5.3 gives EIO.
func (t *Thread) SyscallInfo() (abi.SyscallInfo, error) {
	i, err := sys.PtraceSyscallInfo(t.tid)
	return i, t.request(err)
}

// RobustList gives the head and the length that thread tid has registered
// with set_robust_list(2). The thread need not be stopped, only be one that the
// caller may trace.
func RobustList(tid int) (head, length uint64, err error) {
	head, length, err = sys.RobustList(tid)
	if errors.Is(err, syscall.ESRCH) {
		err = &GoneError{Tid: tid}
	}
	return head, length, err
}
