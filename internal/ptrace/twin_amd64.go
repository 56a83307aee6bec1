package ptrace

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// Twin is a copy of a process, with one thread and the memory as it was when
// the copy was made. It never runs as a second copy of the program: it stands
// stopped, executes the calls that it is told to, and dies with its tracer.
//
// It is nobody's child but init's (or the next subreaper's), so that the
// program can not see it and whoever kills us leaves no zombie behind; and it
// has no open files, so that pipes of the program can be closed meanwhile.
//
// Calls in a twin need no cure, so that they cost less than an Injector's.
type Twin struct {
	t       *Thread
	mem     Memory
	base    abi.Regs
	timeout time.Duration
	scratch uint64 // twinScratch bytes of memory that the program does not have
	code    uint64 // of batch; 0: it could not be put there
	shares  bool   // it is a shadow
}

// endTime is how long a process that shares its memory may take to end.
const endTime = time.Second

// twinFlags are those of clone(2) for a twin: it shares the descriptors until
// it takes a table of its own, which so never refers to the program's files.
const twinFlags = syscall.CLONE_FILES

// Twin copies the process. Precondition: no other thread of it runs, and it is
// neither a child subreaper nor the first process of its pid namespace, which
// would become the twin's parent.
//
// The twin's parent is a middle child, which shares the process's memory: while
// it lives the process waits for it inside of vfork(2), and when it has exited
// the process reaps it. Wherever the engine is killed, all of that comes to its
// end by what stands ready on the process's stack.
func (in *Injector) Twin() (*Twin, error) { return in.copy(twinFlags) }

func (in *Injector) copy(flags uint64) (*Twin, error) {
	if !in.cures {
		return nil, errors.New("the program's code lacks the instructions to copy it safely")
	}
	var twin *Twin
	err := in.clone(middleFlags|syscall.CLONE_FILES, func(m *Injector, deadline time.Time) (err error) {
		twin, err = m.makeTwin(flags, deadline)
		return err
	})
	if err == nil {
		return twin, nil
	}
	if twin != nil {
		twin.Kill()
	}
	return nil, fmt.Errorf("copy process %d: %w", in.t.tid, err)
}

// InChild lets do make calls in a child that shares the process's memory and has
// a copy of its descriptors, and that ends when do returns or the engine dies: so
// it can have what the process itself must not be left with. Calls of the child
// need no cure. The precondition is that of Twin, but for its end: subreapers and
// first processes can have such a child.
func (in *Injector) InChild(do func(tid int, call func(nr uint64, args ...uint64) (uint64, error)) error) error {
	if !in.cures {
		return errors.New("the program's code lacks the instructions to make a child safely")
	}
	return in.clone(middleFlags, func(m *Injector, _ time.Time) error { return do(m.t.tid, m.Call) })
}

// middleFlags are those of clone(2) for the middle child.
const middleFlags = syscall.CLONE_VM | syscall.CLONE_VFORK | syscall.CLONE_FS | syscall.CLONE_PARENT_SETTID

// clone makes the middle child, lets do work with it, and reaps it.
func (in *Injector) clone(flags uint64, do func(m *Injector, deadline time.Time) error) (err error) {
	t := in.t
	// The events tell ids in our own pid namespace, where the result of a call
	// is one of the target's.
	const events = abi.PtraceOTraceFork | abi.PtraceOTraceVfork | abi.PtraceOTraceClone
	if err := t.request(sys.PtraceSetOptions(t.tid, t.options|events)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.request(sys.PtraceSetOptions(t.tid, t.options))) }()

	r := in.base
	r.Rsp = in.layout.reapSP
	r.Rax, r.Rdi, r.Rsi, r.Rdx = abi.SysClone, flags, in.layout.twinSP, in.layout.reap+abi.SignalFrameRdi
	in.moved = true
	if err := t.SetRegs(r); err != nil {
		return err
	}
	// Up to the event, in which the target stands until the child has exited.
	deadline := time.Now().Add(in.o.Timeout)
	event, err := in.runTo(deadline, stopOther)
	if err != nil {
		return err
	}
	var failed error
	if event {
		middle, err := t.eventMessage()
		if err != nil {
			return err
		}
		failed = in.middle(middle, deadline, do)
		// It exits, and the call returns.
		if err := t.resume(sys.PtraceSyscall, 0); err != nil {
			return err
		}
		if _, err := in.stopAt(deadline, stopSyscall); err != nil {
			return err
		}
	}
	after, err := t.Regs()
	if err != nil {
		return err
	}
	if e := -int64(after.Rax); 0 < e && e <= maxErrno {
		return syscall.Errno(e)
	}
	const wall = 0x40000000 // __WALL: the exit signal is none
	if _, err := in.Call(abi.SysWait4, after.Rax, 0, wall, 0); err != nil {
		failed = errors.Join(failed, fmt.Errorf("reap the middle child: %w", err))
	}
	return failed
}

// runTo lets the thread make the call it is set up for, up to a stop of that
// kind; false is that the call returned before.
func (in *Injector) runTo(deadline time.Time, kind stopKind) (bool, error) {
	for stops := 0; stops < 2; {
		if err := in.t.resume(sys.PtraceSyscall, 0); err != nil {
			return false, err
		}
		s, err := in.stopAt(deadline, stopSyscall, kind)
		if err != nil {
			return false, err
		}
		if s == kind {
			return true, nil
		}
		stops++
	}
	return false, nil
}

// stopAt waits for a stop of one of the kinds. Group stops on the way are
// passed by: they last when the thread is detached.
func (in *Injector) stopAt(deadline time.Time, kinds ...stopKind) (stopKind, error) {
	for {
		s, err := in.t.wait(deadline)
		if err != nil {
			return 0, err
		}
		for _, k := range kinds {
			if s.kind == k {
				return k, nil
			}
		}
		if s.kind == stopSignal && s.signal != syscall.SIGSTOP {
			return 0, fmt.Errorf("signal %d (%v) in thread %d", int(s.signal), s.signal, in.t.tid)
		}
		if err := in.t.resume(sys.PtraceSyscall, s.signal); err != nil {
			return 0, err
		}
	}
}

// middle lets do work with the middle child, which exits then.
func (in *Injector) middle(tid int, deadline time.Time, do func(m *Injector, deadline time.Time) error) error {
	m := &Thread{tid: tid, options: in.t.options, turn: in.t.turn}
	defer m.kill(deadline)
	if _, err := m.wait(deadline); err != nil {
		return err
	}
	if err := m.ExitKill(); err != nil {
		return err
	}
	// It has the memory of the target, and a stack that leads into exit_group.
	mi := &Injector{t: m, o: in.o, base: in.base, layout: in.layout}
	mi.base.Rsp = in.layout.twinSP
	return do(mi, deadline)
}

// makeTwin lets the middle child make the twin, by clone(2) with these flags.
func (in *Injector) makeTwin(flags uint64, deadline time.Time) (*Twin, error) {
	m := in.t
	const events = abi.PtraceOTraceFork | abi.PtraceOTraceVfork | abi.PtraceOTraceClone
	if err := m.request(sys.PtraceSetOptions(m.tid, m.options|events)); err != nil {
		return nil, err
	}
	if _, err := in.Call(abi.SysClone, flags, in.layout.twinSP, 0, 0, 0); err != nil {
		return nil, err
	}
	if in.child == 0 {
		return nil, errors.New("the kernel did not tell the id of the copy")
	}
	t := &Thread{tid: in.child, options: m.options, turn: m.turn}
	if _, err := t.wait(deadline); err != nil {
		return nil, err
	}
	if err := t.ExitKill(); err != nil {
		return nil, err
	}
	t.poll = twinPoll
	w := &Twin{t: t, base: in.base, timeout: in.o.Timeout}
	w.base.Rip, w.base.Rsp = in.o.Gadgets.Syscall, in.layout.twinSP
	return w, nil
}

// kill kills a thread's process and waits until the kernel says so.
func (t *Thread) kill(deadline time.Time) {
	if t.gone != nil {
		return
	}
	_ = syscall.Kill(t.tid, syscall.SIGKILL) // it is gone
	for {
		if _, err := t.wait(deadline); err != nil {
			return
		}
	}
}

// twinPoll is how often to look whether a twin's calls have returned: they are
// long, and each moment too late is added to the time of a save.
const twinPoll = 100 * time.Microsecond

const twinScratch = 16 << 10

// The calls that give a twin a table of descriptors that is empty, and a session of
// its own. Whoever reaps it may take long for that, or never do it: in the program's
// session and group it would keep their ids from being given again.
const closeUnshare = 2 // CLOSE_RANGE_UNSHARE

func detaching() []SystemCall {
	return []SystemCall{
		{Nr: abi.SysCloseRange, Args: [6]uint64{0, 1<<32 - 1, closeUnshare}},
		{Nr: abi.SysSetsid},
	}
}

// detached checks what they gave.
func detached(calls []SystemCall) error {
	if r := calls[0].Result; r != 0 {
		return fmt.Errorf("take a descriptor table of its own: %w", syscall.Errno(-r))
	}
	if r := calls[1].Result; r < 0 {
		return fmt.Errorf("begin a session of its own: %w", syscall.Errno(-r))
	}
	return nil
}

// Open makes the twin ready for calls: with a table of descriptors that is
// empty, and memory of its own. mem is the twin's memory. Before anything of the
// twin changes that it has from the process, it executes the calls that queries
// lists for scratch memory at an address; Open gives them with their results. A
// kernel before 5.9 can not (syscall.ENOSYS or EINVAL).
func (w *Twin) Open(mem Memory, queries func(scratch uint64) []SystemCall) ([]SystemCall, error) {
	w.mem = mem
	if err := w.mapMemory(); err != nil {
		return nil, fmt.Errorf("scratch memory: %w", err)
	}
	at, _ := w.Scratch()
	calls := queries(at)
	n := len(calls)
	calls = append(calls, detaching()...)
	// The breakpoint at the end of a batch is a signal that changes an action
	// which ignores it (force_sig_info_to_task in kernel/signal.c).
	if err := w.Batch(calls); err != nil {
		return nil, err
	}
	if err := detached(calls[n:]); err != nil {
		return nil, err
	}
	return calls[:n], nil
}

// mapMemory maps scratch memory, and the code of batch behind it. Where memory
// may not be executed, each call is injected by itself.
func (w *Twin) mapMemory() error {
	mmap := func(size, prot uint64) (uint64, error) {
		return w.Call(abi.SysMmap, 0, size, prot, syscall.MAP_PRIVATE|syscall.MAP_ANONYMOUS, ^uint64(0), 0)
	}
	const data = syscall.PROT_READ | syscall.PROT_WRITE
	at, err := mmap(twinScratch+pageSize, data|syscall.PROT_EXEC)
	code := at + twinScratch
	if err != nil {
		if at, err = mmap(twinScratch, data); err != nil {
			return err
		}
		w.scratch = at
		if code, err = mmap(pageSize, syscall.PROT_READ|syscall.PROT_EXEC); err != nil {
			return nil
		}
	}
	w.scratch = at
	if _, err := w.mem.WriteAt(batchCode(), int64(code)); err == nil {
		w.code = code
	}
	return nil
}

// Tid is the twin's process id as the caller's pid namespace sees it.
func (w *Twin) Tid() int { return w.t.tid }

// Scratch gives the address and the size in bytes of memory for arguments and
// results.
func (w *Twin) Scratch() (addr uint64, size int) {
	return w.scratch + batchMax*callSize, twinScratch - batchMax*callSize
}

// Memory is the memory of the twin.
func (w *Twin) Memory() Memory { return w.mem }

// Call executes one system call. A failed call is a syscall.Errno.
func (w *Twin) Call(nr uint64, args ...uint64) (uint64, error) {
	in := &Injector{t: w.t, o: Options{Timeout: w.timeout}, base: w.base}
	return in.Call(nr, args...)
}

// Kill ends the twin. The memory it does not share any more is given back after
// that, which takes the kernel 80 ms for 1 GB. A shadow has ended when Kill returns,
// or else after endTime: who looks at the process then finds that it has its memory
// alone.
func (w *Twin) Kill() {
	deadline := time.Now() // whoever reaps it need not be us
	if w.shares {
		deadline = deadline.Add(endTime)
	}
	w.t.kill(deadline)
	if c, ok := w.mem.(io.Closer); ok {
		_ = c.Close() // only read, or for the twin
	}
}

// eventMessage reads what belongs to a PTRACE_EVENT: the id of a new thread.
func (t *Thread) eventMessage() (int, error) {
	n, err := sys.PtraceEventMessage(t.tid)
	return int(n), t.request(err)
}
