package restore

import (
	"fmt"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// noFD is the descriptor argument of an anonymous mmap.
const noFD = ^uint64(0)

// compiled is a plan with the addresses it was made for.
type compiled struct {
	plan  *plan.Plan
	park  uint64 // where the interpreter and the plan work
	load  uint64 // where execve puts them first
	errFD int
}

// compile makes the plan. Its size decides how much address space it needs,
// and where that is decides what the plan says; so a first guess is doubled
// until it fits.
func (p *preparation) compile() (*compiled, error) {
	v, err := newVDSO(p)
	if err != nil {
		return nil, err
	}
	for room := uint64(1 << 20); ; room *= 2 {
		// Room for the vDSO, for the block, for the executable (only until the
		// first op), and for shared memory on its way to its places.
		gap, err := findGap(p.process.Areas, v.size()+2*room+largestShared(p.process.Areas))
		if err != nil {
			return nil, &HostError{Reason: err.Error()}
		}
		c := &compiled{park: gap.start + v.size(), errFD: int(p.files.errFD.Fd())}
		c.load = c.park + room
		w := &writer{p: p, b: plan.NewBuilder(), t: &p.process.Threads[0], v: v, work: span{gap.start, c.park + room}, block: c.park, scratch: c.load + room}
		if c.plan, err = w.write(); err != nil {
			return nil, err
		}
		if c.plan.Size() <= room {
			return c, nil
		}
	}
}

// writer writes the plan of one process.
type writer struct {
	p     *preparation
	b     *plan.Builder
	v     *vdso
	work  span   // what the saved process does not use: the vDSO's parking place and the block
	block uint64 // address of the block
	// scratch is free until the plan's end, for as much as largestShared says.
	scratch uint64
	keep    uint64 // of the block stays mapped: code and signal frames

	t      *image.Thread              // whose list b is
	frames map[int]plan.Arg           // by index of the thread
	meet   meeting                    // where the threads wait for each other
	newIDs map[*image.Thread]plan.Arg // words for new thread ids
}

// write tells the plan in the order of its execution.
func (w *writer) write() (*plan.Plan, error) {
	w.putFrames()
	if w.p.guardian != nil {
		w.beget(w.p.guardian)
	}
	w.forget()
	w.enterTimeNamespace()
	w.v.park(w.b, w.work.start)
	w.emptyAddressSpace()
	if err := w.memory(); err != nil {
		return nil, err
	}
	if err := w.v.settle(w.b, w.work.start); err != nil {
		return nil, err
	}
	w.bounds()
	if err := w.p.files.place(w.b, w.p.process, nil); err != nil {
		return nil, err
	}
	w.processState()
	w.signals()
	w.startThreads()
	if !w.t.Dead {
		w.threadState()
	}
	w.awaitThreads()
	w.limits()
	w.credentials()
	w.dumpable()
	if err := w.timers(); err != nil {
		return nil, err
	}
	w.leave()
	return w.b.Build()
}

// putFrames puts the signal frames through which the threads get their registers
// into the plan's data. They come first, with all that must stay, so that they
// are near the block's start: from the code to the last frame the block stays
// mapped for good.
func (w *writer) putFrames() {
	threads := w.p.process.Threads
	if w.others() > 0 {
		w.meet = newMeeting(w.b)
	}
	regs := make([]abi.Regs, len(threads))
	for i := range threads {
		t := &threads[i]
		regs[i] = t.Regs
		if w.v.aside && w.v.behindEntry(t.Regs.Rip) {
			regs[i].Rip += w.v.asideBy(w.work.start)
		}
		if t.RestOfSleep {
			regs[i] = w.b.SleepOn(regs[i], w.block)
		}
	}
	const align = 64
	w.frames = map[int]plan.Arg{}
	for i := range threads {
		if t := &threads[i]; !t.Dead {
			at := w.b.ReserveAligned(0, align)
			frame := abi.SignalFrame(regs[i], t.XSave, t.SigMask, altStack(t), w.block+at.Imm, w.block+plan.Sigreturn().Imm)
			w.frames[i] = w.b.AlignedData(frame, align)
		}
	}
	w.keep = w.b.ReserveAligned(0, pageSize).Imm
}

// altStack is the alternate signal stack as sigaltstack(2) takes it: whether a
// thread is on it is no setting.
func altStack(t *image.Thread) abi.StackT {
	s := t.AltStack
	s.Flags &^= abi.SSOnStack
	return s
}

// emptyAddressSpace unmaps everything but the place of work.
func (w *writer) emptyAddressSpace() {
	for _, s := range []span{{0, w.work.start}, {w.work.end, userEnd}} {
		w.b.Call(fmt.Sprintf("unmap %#x-%#x", s.start, s.end), abi.SysMunmap, plan.Imm(s.start), plan.Imm(s.size()))
	}
}

// leave lets the kernel give the thread all its registers at once, and the
// program runs.
func (w *writer) leave() {
	w.b.Call("close the message descriptor", abi.SysClose, plan.Imm(uint64(w.p.files.errFD.Fd())))
	if w.p.process.Stopped {
		// It takes effect here and now, and the program goes on at SIGCONT.
		w.b.Call("stop the program again", abi.SysKill, plan.Int(w.p.newTID()), plan.Int(int(syscall.SIGSTOP)))
	}
	w.letGo()
	land := w.landing(0)
	land.Keep = w.keep
	if w.t.Dead {
		land = plan.Landing{PC: plan.EndThread(), Keep: w.keep}
	}
	w.b.Leave("continue the program", land)
}

// landing is where a thread of the process leaves to.
func (w *writer) landing(thread int) plan.Landing {
	sp := w.frames[thread]
	sp.Imm = abi.SignalFrameSP(sp.Imm)
	return plan.Landing{PC: plan.Sigreturn(), SP: sp}
}
