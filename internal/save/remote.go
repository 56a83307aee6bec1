package save

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// sigevNone is SIGEV_NONE (include/uapi/asm-generic/siginfo.h).
const sigevNone = 1

// remote asks a frozen process about itself, by making it call the system. All
// calls are queries: a process in which they were interrupted at any point is
// the same as before.
type remote struct {
	in      *ptrace.Injector
	scratch uint64 // memory of the process for results
	err     error  // the first error; later calls do nothing
}

func newRemote(in *ptrace.Injector) *remote {
	scratch, _ := in.Scratch()
	return &remote{in: in, scratch: scratch}
}

// call makes the process call the system, with its scratch memory as the
// destination of results.
func (r *remote) call(what string, nr uint64, args ...uint64) uint64 {
	if r.err != nil {
		return 0
	}
	v, err := r.in.Call(nr, args...)
	if err != nil {
		r.err = fmt.Errorf("ask the process for its %s: %w", what, err)
	}
	return v
}

// optional is call for queries that some kernels do not know.
func (r *remote) optional(what string, nr uint64, args ...uint64) (uint64, bool) {
	if r.err != nil {
		return 0, false
	}
	v := r.call(what, nr, args...)
	if r.err == nil {
		return v, true
	}
	if errors.Is(r.err, syscall.EINVAL) || errors.Is(r.err, syscall.ENOSYS) {
		r.err = nil
	}
	return 0, false
}

// words reads n 64-bit words of scratch memory.
func (r *remote) words(n int) []uint64 {
	w := make([]uint64, n)
	if r.err != nil {
		return w
	}
	b := make([]byte, 8*n)
	if r.err = r.in.ReadScratch(0, b); r.err != nil {
		return w
	}
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return w
}

// word32 reads the int at the start of scratch memory.
func (r *remote) word32() int32 { return int32(r.words(1)[0]) }

// brk fetches the end of the heap.
func (r *remote) brk() image.Addr {
	return image.Addr(r.call("program break", abi.SysBrk, 0))
}

// intervalTimers fetches the three setitimer(2) timers.
func (r *remote) intervalTimers() (t [3]image.IntervalTimer) {
	for which := range t {
		r.call("interval timer", abi.SysGetitimer, uint64(which), r.scratch)
		w := r.words(4)
		t[which] = image.IntervalTimer{
			Interval: int64(w[0])*1e6 + int64(w[1]),
			Value:    int64(w[2])*1e6 + int64(w[3]),
		}
	}
	return t
}

// posixTimer fetches what /proc does not tell of a timer: the time it has left.
func (r *remote) posixTimer(t proc.Timer) image.POSIXTimer {
	p := image.POSIXTimer{
		ID: t.ID, Clock: t.Clock, Notify: t.Notify, Signal: t.Signal, SigValue: t.SigValue,
	}
	if t.ThreadDirected() {
		p.TID = t.Target
		if t.Target == 0 {
			p.Notify = sigevNone // nobody is told any more
		}
	}
	r.call(fmt.Sprintf("timer %d", t.ID), abi.SysTimerGettime, uint64(t.ID), r.scratch)
	w := r.words(4)
	p.Interval = int64(w[0])*1e9 + int64(w[1])
	p.Value = int64(w[2])*1e9 + int64(w[3])
	p.Overrun = int(r.call(fmt.Sprintf("overruns of timer %d", t.ID), abi.SysTimerGetoverrun, uint64(t.ID)))
	return p
}

// attributes fetches the prctl settings of the process.
func (r *remote) attributes(a *image.Attributes) {
	a.Dumpable = int(r.call("dumpable attribute", abi.SysPrctl, abi.PrGetDumpable))
	a.KeepCaps = r.call("keep-capabilities flag", abi.SysPrctl, abi.PrGetKeepCaps) != 0
	thp, _ := r.optional("THP setting", abi.SysPrctl, abi.PrGetTHPDisable)
	a.THPDisable = thp != 0
	r.call("subreaper attribute", abi.SysPrctl, abi.PrGetChildSubreaper, r.scratch)
	a.Subreaper = r.word32() != 0
}

// askThreads fetches what only threads themselves can tell, all at the same time,
// results one after the other so that they are read once.
func askThreads(ins []*ptrace.Injector, to []image.Thread) error {
	const stack, tid, signal, words = 0, 3, 4, 5
	var failed error
	call := func(what string, nr uint64, args func(at uint64) []uint64) []ptrace.Outcome {
		if failed != nil {
			return nil
		}
		all := ptrace.CallAll(ins, nr, func(in *ptrace.Injector) []uint64 {
			at, _ := in.Scratch()
			return args(at)
		})
		for i, r := range all {
			unknown := errors.Is(r.Err, syscall.EINVAL) || errors.Is(r.Err, syscall.ENOSYS)
			if r.Err != nil && !(unknown && what == "tid address") && failed == nil {
				failed = fmt.Errorf("ask thread %d for its %s: %w", to[i].TID, what, r.Err)
			}
		}
		return all
	}
	call("alternate signal stack", abi.SysSigaltstack, func(at uint64) []uint64 { return []uint64{0, at + 8*stack} })
	// Kernels without CONFIG_CHECKPOINT_RESTORE do not tell; it is zero then.
	told := call("tid address", abi.SysPrctl, func(at uint64) []uint64 { return []uint64{abi.PrGetTIDAddress, at + 8*tid} })
	call("parent death signal", abi.SysPrctl, func(at uint64) []uint64 { return []uint64{abi.PrGetPDeathSig, at + 8*signal} })
	slack := call("timer slack", abi.SysPrctl, func(uint64) []uint64 { return []uint64{abi.PrGetTimerSlack} })
	if failed != nil {
		return failed
	}
	for i, in := range ins {
		r, t := newRemote(in), &to[i]
		w := r.words(words)
		t.TimerSlack = slack[i].Value
		t.AltStack = abi.StackT{SP: w[0], Flags: int32(w[1]), Size: w[2]}
		if told[i].Err == nil {
			t.TIDAddress = image.Addr(w[tid])
		}
		t.PDeathSig = int(int32(w[signal]))
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

// news asks what has become of children that the process can still wait for, as
// wait(2) gives it; 0 is nothing. idtype and id are those of waitid(2). It can be
// asked again: the process is told as if nobody had asked.
func (r *remote) news(idtype, id int) int {
	const (
		options                  = syscall.WNOHANG | syscall.WSTOPPED | syscall.WCONTINUED | syscall.WNOWAIT | 0x40000000 // __WALL
		cldStopped, cldContinued = 5, 6
	)
	if r.call("news of children", abi.SysWaitid, uint64(idtype), uint64(id), r.scratch, options, 0); errors.Is(r.err, syscall.ECHILD) {
		r.err = nil
		return 0
	}
	// struct siginfo: si_code in the second word, si_pid in the third, and
	// si_status.
	w := r.words(4)
	switch code, pid, status := int32(w[1]), int32(w[2]), int(int32(w[3])); {
	case pid == 0:
		return 0
	case code == cldStopped:
		return status<<8 | 0x7f
	case code == cldContinued:
		return 0xffff
	}
	return 0
}

// hasLDT reports whether the thread has a local descriptor table, which code
// of the 16-bit and segmented past uses.
func (r *remote) hasLDT() bool {
	const modifyLDTRead = 0
	n, _ := r.optional("local descriptor table", abi.SysModifyLdt, modifyLDTRead, r.scratch, 8)
	return n != 0
}
