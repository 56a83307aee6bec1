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
	r := in.regs(nr, args)
	for range maxRestarts {
		if err := in.launch(r); err != nil {
			return 0, err
		}
		if v, again, err := in.finish(); !again {
			return v, err
		}
	}
	return 0, fmt.Errorf("system call %d in thread %d: %w", nr, in.t.tid, syscall.ERESTART)
}

// Outcome is what Call gives.
type Outcome struct {
	Value uint64
	Err   error
}

// CallAll executes a system call in several threads at the same time: most of
// the time of a call is spent waiting for the thread to get a processor. args
// gives the arguments for each.
func CallAll(ins []*Injector, nr uint64, args func(*Injector) []uint64) []Outcome {
	all := make([]Outcome, len(ins))
	for i, in := range ins {
		all[i].Err = in.launch(in.regs(nr, args(in)))
	}
	for i, in := range ins {
		if all[i].Err == nil {
			all[i].Err = in.step()
		}
	}
	for i, in := range ins {
		if all[i].Err != nil {
			continue
		}
		var again bool
		if all[i].Value, again, all[i].Err = in.finish(); again {
			all[i].Value, all[i].Err = in.Call(nr, args(in)...)
		}
	}
	return all
}

// regs are the registers for a call.
func (in *Injector) regs(nr uint64, args []uint64) abi.Regs {
	r := in.base
	r.Rax = nr
	var a [6]uint64
	if copy(a[:], args) < len(args) {
		panic("ptrace: more than six arguments")
	}
	r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9 = a[0], a[1], a[2], a[3], a[4], a[5]
	return r
}

// launch lets the thread begin the call that r is set up for.
func (in *Injector) launch(r abi.Regs) error {
	in.moved = true
	if err := in.t.SetRegs(r); err != nil {
		return err
	}
	in.stops, in.deadline = 0, time.Now().Add(in.o.Timeout)
	return in.t.resume(sys.PtraceSyscall, 0)
}

// step waits for the next stop, and lets the thread go on unless it is the last
// one, at the exit of the call.
func (in *Injector) step() error {
	t := in.t
	s, err := t.wait(in.deadline)
	if err != nil {
		return err
	}
	sig := syscall.Signal(0)
	switch s.kind {
	case stopSyscall:
		if in.stops++; in.stops == 2 {
			return nil
		}
	case stopSignal:
		// All signals are blocked but SIGSTOP, which makes a group stop that
		// lasts when the thread is detached. Any other one is a fault of what
		// we let it execute, which the program must not see.
		if s.signal != syscall.SIGSTOP {
			return fmt.Errorf("injected call in thread %d: signal %d (%v)", t.tid, int(s.signal), s.signal)
		}
		sig = s.signal
	case stopOther:
		if in.child, err = t.eventMessage(); err != nil {
			return err
		}
	}
	return t.resume(sys.PtraceSyscall, sig)
}

// finish waits for the end of the call. again is that the kernel interrupted it
// for a stop signal; then it has done nothing.
func (in *Injector) finish() (v uint64, again bool, err error) {
	for in.stops < 2 {
		if err := in.step(); err != nil {
			return 0, false, err
		}
	}
	after, err := in.t.Regs()
	if err != nil {
		return 0, false, err
	}
	switch e := -int64(after.Rax); {
	case -e == restartSys || -e == restartNoIntr || -e == restartNoHand || -e == restartByBlock:
		return 0, true, nil
	case 0 < e && e <= maxErrno:
		return 0, false, syscall.Errno(e)
	}
	return after.Rax, false, nil
}
