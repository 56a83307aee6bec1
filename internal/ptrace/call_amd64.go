package ptrace

import (
	"fmt"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// maxErrno bounds the results that are errors (include/linux/err.h).
const maxErrno = 4095

// maxRestarts bounds how often a call is repeated that the kernel interrupted
// for a stop.
const maxRestarts = 100

// Call executes system call nr in the thread and gives its result. A failed
// call is a syscall.Errno. If it does not return within Options.Timeout, it is
// a *TimeoutError, and only Close may follow. It is ErrGone if somebody kills
// the target meanwhile.
func (in *Injector) Call(nr uint64, args ...uint64) (uint64, error) {
	r := in.base
	r.Rax = nr
	var a [6]uint64
	if copy(a[:], args) < len(args) {
		panic("ptrace: more than six arguments")
	}
	r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9 = a[0], a[1], a[2], a[3], a[4], a[5]

	in.moved = true
	for range maxRestarts {
		v, err := in.run(r)
		if err != nil {
			return 0, err
		}
		switch e := -int64(v); {
		case -e == restartSys || -e == restartNoIntr || -e == restartNoHand || -e == restartByBlock:
			// A stop signal came in between; the call has done nothing.
		case 0 < e && e <= maxErrno:
			return 0, syscall.Errno(e)
		default:
			return v, nil
		}
	}
	return 0, fmt.Errorf("system call %d in thread %d: %w", nr, in.t.tid, syscall.ERESTART)
}

// run lets the thread execute the call that r is set up for and gives Rax.
func (in *Injector) run(r abi.Regs) (uint64, error) {
	t := in.t
	if err := t.SetRegs(r); err != nil {
		return 0, err
	}
	deadline := time.Now().Add(in.o.Timeout)
	var sig syscall.Signal
	for stops := 0; stops < 2; { // entry and exit
		if err := t.resume(sys.PtraceSyscall, sig); err != nil {
			return 0, err
		}
		s, err := t.wait(deadline)
		if err != nil {
			return 0, err
		}
		sig = 0
		switch s.kind {
		case stopSyscall:
			stops++
		case stopSignal:
			// All signals are blocked but SIGSTOP, which makes a group stop
			// that lasts when the thread is detached. Any other one is a fault
			// of what we let it execute, which the program must not see.
			if s.signal != syscall.SIGSTOP {
				return 0, fmt.Errorf("injected call at %#x in thread %d: signal %d (%v)",
					r.Rip, t.tid, int(s.signal), s.signal)
			}
			sig = s.signal
		case stopOther:
			if in.child, err = t.eventMessage(); err != nil {
				return 0, err
			}
		}
	}
	after, err := t.Regs()
	return after.Rax, err
}
