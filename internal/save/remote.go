package save

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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

// ask makes the process execute queries, and reads so many words of answers. A
// query's destination is scratch memory.
func (r *remote) ask(what string, words int, queries ...ptrace.Query) []uint64 {
	if r.err == nil {
		r.err = r.in.WriteScratch(0, blank(words))
	}
	if r.err == nil {
		r.err = ptrace.Ask([]*ptrace.Injector{r.in}, func(*ptrace.Injector) []ptrace.Query { return queries })
	}
	w := r.words(words)
	if r.err == nil && slices.Contains(w, unanswered) {
		r.err = fmt.Errorf("ask the process for its %s: no answer", what)
	}
	return w
}

// timerWords is the length of struct itimerval and struct itimerspec.
const timerWords = 4

// own asks for what belongs to the process and that a twin of it does not have: its
// setitimer(2) timers, and whether orphans come to it.
func (q *questions) own(p *image.Process) {
	const subreaper = 3 * timerWords
	at := q.room(subreaper+1, func(w []uint64) error {
		if slices.Contains(w, unanswered) {
			return errors.New("ask the process for its interval timers: no answer")
		}
		for i := range p.Timers.Interval {
			t := w[i*timerWords:]
			p.Timers.Interval[i] = image.IntervalTimer{Interval: int64(t[0])*1e6 + int64(t[1]), Value: int64(t[2])*1e6 + int64(t[3])}
		}
		p.Attributes.Subreaper = int32(w[subreaper]) != 0
		return nil
	})
	for which := range uint64(3) {
		q.ask(abi.SysGetitimer, which, at+which*8*timerWords)
	}
	q.ask(abi.SysPrctl, abi.PrGetChildSubreaper, at+8*subreaper)
}

// timersAtOnce is how many timers' answers scratch memory has room for.
const timersAtOnce = 64

// posixTimers fetches what /proc does not tell of timers: the time they have left.
func (r *remote) posixTimers(timers []proc.Timer) (all []image.POSIXTimer) {
	for some := range slices.Chunk(timers, timersAtOnce) {
		var queries []ptrace.Query
		for i, t := range some {
			queries = append(queries, ptrace.Query{Nr: abi.SysTimerGettime, Args: [3]uint64{uint64(t.ID), r.scratch + uint64(i)*8*timerWords}})
		}
		w := r.ask("timers", len(some)*timerWords, queries...)
		for i, t := range some {
			all = append(all, r.posixTimer(t, w[i*timerWords:]))
		}
	}
	return all
}

func (r *remote) posixTimer(t proc.Timer, left []uint64) image.POSIXTimer {
	p := image.POSIXTimer{
		ID: t.ID, Clock: t.Clock, Notify: t.Notify, Signal: t.Signal, SigValue: t.SigValue,
		Interval: int64(left[0])*1e9 + int64(left[1]), Value: int64(left[2])*1e9 + int64(left[3]),
	}
	if t.ThreadDirected() {
		p.TID = t.Target
		if t.Target == 0 {
			p.Notify = sigevNone // nobody is told any more
		}
	}
	p.Overrun = int(r.call(fmt.Sprintf("overruns of timer %d", t.ID), abi.SysTimerGetoverrun, uint64(t.ID)))
	return p
}

// thread asks for what only a thread itself can tell.
func (q *questions) thread(t *image.Thread) {
	const stack, tid, signal, words = 0, 3, 4, 5
	at := q.room(words, func(w []uint64) error {
		t.AltStack = abi.StackT{SP: w[stack], Flags: int32(w[stack+1]), Size: w[stack+2]}
		t.PDeathSig = int(int32(w[signal]))
		if w[stack+2] == unanswered || w[signal] == unanswered {
			return fmt.Errorf("ask thread %d for its alternate signal stack and parent death signal: no answer", t.TID)
		}
		// Kernels without CONFIG_CHECKPOINT_RESTORE do not tell.
		if t.TIDAddress = image.Addr(w[tid]); w[tid] == unanswered {
			t.TIDAddress = 0
		}
		return nil
	})
	q.ask(abi.SysSigaltstack, 0, at+8*stack)
	q.ask(abi.SysPrctl, abi.PrGetTIDAddress, at+8*tid)
	q.ask(abi.SysPrctl, abi.PrGetPDeathSig, at+8*signal)
}

// askThreads fetches what only threads themselves can tell, all at the same time.
func askThreads(pfs proc.FS, ins []*ptrace.Injector, to []image.Thread) error {
	all := make([]*questions, len(ins))
	for i, in := range ins {
		all[i] = newQuestions(in)
		all[i].thread(&to[i])
	}
	if err := askAll(all); err != nil {
		return err
	}
	return timerSlack(pfs, ins, to)
}

// timerSlack fetches the threads' timer slack. Who may set it is told it by the
// kernel, which is the quicker way.
func timerSlack(pfs proc.FS, ins []*ptrace.Injector, to []image.Thread) (err error) {
	for i := range to {
		if to[i].TimerSlack, err = pfs.Process(to[i].TID).TimerSlack(); err != nil {
			break
		}
	}
	if err == nil {
		return nil
	}
	for i, r := range ptrace.CallAll(ins, abi.SysPrctl, func(*ptrace.Injector) []uint64 { return []uint64{abi.PrGetTimerSlack} }) {
		if r.Err != nil {
			return fmt.Errorf("ask thread %d for its timer slack: %w", to[i].TID, r.Err)
		}
		to[i].TimerSlack = r.Value
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

// The calls that tell what a fork has as well: the process itself makes them, or
// its twin.
const (
	askBrk = iota
	askDumpable
	askKeepCaps
	askTHP
	askLDT
	asksOfForks
)

// forkCalls lists them; at is memory for the first bytes of a local descriptor
// table, which code of the 16-bit and segmented past uses.
func forkCalls(at uint64) (calls [asksOfForks]ptrace.SystemCall) {
	const modifyLDTRead = 0
	calls[askBrk] = ptrace.SystemCall{Nr: abi.SysBrk}
	calls[askDumpable] = ptrace.SystemCall{Nr: abi.SysPrctl, Args: [6]uint64{abi.PrGetDumpable}}
	calls[askKeepCaps] = ptrace.SystemCall{Nr: abi.SysPrctl, Args: [6]uint64{abi.PrGetKeepCaps}}
	calls[askTHP] = ptrace.SystemCall{Nr: abi.SysPrctl, Args: [6]uint64{abi.PrGetTHPDisable}}
	calls[askLDT] = ptrace.SystemCall{Nr: abi.SysModifyLdt, Args: [6]uint64{modifyLDTRead, at, 8}}
	return calls
}

// forkAnswers takes what the calls have told.
func (m *member) forkAnswers(calls []ptrace.SystemCall) error {
	for i, c := range calls {
		unknown := i == askTHP || i == askLDT // on some kernels
		if e := syscall.Errno(-c.Result); c.Result < 0 && !(unknown && (e == syscall.EINVAL || e == syscall.ENOSYS)) {
			return fmt.Errorf("ask the process for its attributes: call %d: %w", c.Nr, e)
		}
	}
	p := &m.p
	p.Memory.Brk = image.Addr(calls[askBrk].Result)
	p.Attributes.Dumpable = int(calls[askDumpable].Result)
	p.Attributes.KeepCaps = calls[askKeepCaps].Result != 0
	p.Attributes.THPDisable = calls[askTHP].Result > 0
	if int32(calls[askLDT].Result) > 0 { // an int, even for errors (arch/x86/kernel/ldt.c)
		m.s.refuse("process", "has a local descriptor table (modify_ldt(2)), as programs for other systems under Wine and DOSEMU have", "")
	}
	return nil
}
