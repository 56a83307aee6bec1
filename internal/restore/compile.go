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
// and where that is decides what the plan says; so if the first guess was too
// small, it is made again.
func (p *preparation) compile() (*compiled, error) {
	p.vdsos = nil
	p.sums = p.verifiesAsItReads()
	var vdsoSize uint64
	for _, m := range p.members {
		v, err := newVDSO(p, m)
		if err != nil {
			return nil, m.refuse(err)
		}
		p.vdsos, vdsoSize = append(p.vdsos, v), max(vdsoSize, v.size())
	}
	for room := p.room(); ; {
		s := p.newSite()
		// Room for the vDSO, for first pages of images, for the block, for the executable (only until the
		// first op), and for what all processes share.
		gap, err := findGap(p.areas(), vdsoSize+p.marksSize()+2*room+s.scratchSize())
		if err != nil {
			return nil, &HostError{Reason: err.Error()}
		}
		c := &compiled{park: gap.start + vdsoSize + p.marksSize(), errFD: int(p.files.errFD.Fd())}
		c.load = c.park + room
		s.work, s.block, s.scratch = span{gap.start, c.park + room}, c.park, c.load+room
		w := &writer{p: p, b: plan.NewBuilder(), site: s, birth: p.lineage.root}
		w.is(p.members[0])
		p.summed = map[*image.Image][]bool{}
		if p.paging != nil {
			p.paging.areas = nil
		}
		if c.plan, err = w.write(); err != nil {
			return nil, err
		}
		if c.plan.Size() <= room {
			return c, nil
		}
		for room < c.plan.Size() {
			room *= 2
		}
	}
}

// writer writes the plan of one process.
type writer struct {
	*site
	p     *preparation
	b     *plan.Builder
	birth *birth

	// Not for temporary processes:
	m *member
	v *vdso         // of its memory
	t *image.Thread // whose list b is

	newIDs map[*image.Thread]plan.Arg // words for new thread ids

	parents []parentThread // threads that are there before the others
	resumed plan.Arg       // the word that they wait for

	// inherits is the process whose memory is there when this one begins; nil:
	// there is none but what the plan works with.
	inherits *member
	first    *bool // see fillsFirst
}

// is says which process of the image it is.
func (w *writer) is(m *member) {
	w.m, w.t, w.v = m, &m.process.Threads[0], w.vdsos[m.index]
}

// write tells the plan in the order of its execution.
func (w *writer) write() (*plan.Plan, error) {
	w.putFrames()
	if w.p.guardian != nil {
		w.makeFirst(w.p.guardian)
	}
	w.forget()
	w.enterTimeNamespace()
	w.v.park(w.b, w.work.start)
	w.emptyAddressSpace()
	w.shareScratch()
	if err := w.writeProcess(); err != nil {
		return nil, err
	}
	return w.b.Build()
}

// writeProcess tells what one process does, from the moment when it is there.
func (w *writer) writeProcess() error {
	if w.fillsFirst() {
		if err := w.memory(); err != nil {
			return w.m.refuse(err)
		}
	}
	if err := w.family(); err != nil {
		return err
	}
	w.settle()
	if err := w.space(); err != nil {
		return err
	}
	w.meetAll(w.mapped)
	if err := w.p.files.place(w.b, w.m.process, w.rendezvous()); err != nil {
		return w.m.refuse(err)
	}
	w.inheritance()
	w.processState()
	w.goOn()
	w.awaitZombies()
	w.signals()
	w.startThreads()
	if !w.t.Dead {
		w.threadState()
	}
	w.awaitThreads()
	w.resourceLimits()
	w.credentials()
	w.dumpable()
	if err := w.makeTimers(); err != nil {
		return w.m.refuse(err)
	}
	w.becomeIndependent()
	w.startTimers()
	w.meetAll(w.leaving)
	w.leave()
	return nil
}

// space gives the process its memory, if it is its own.
func (w *writer) space() error {
	w.fallAsleep()
	if !w.m.owns() {
		return nil
	}
	if !w.fillsFirst() {
		if err := w.memory(); err != nil {
			return w.m.refuse(err)
		}
	}
	w.unmapObjects()
	if err := w.v.settle(w.b, w.work.start); err != nil {
		return w.m.refuse(err)
	}
	w.bounds()
	return nil
}

// emptyAddressSpace unmaps everything but the place of work.
func (w *writer) emptyAddressSpace() {
	for _, s := range []span{{0, w.work.start}, {w.work.end, userEnd}} {
		w.b.Call(fmt.Sprintf("unmap %#x-%#x", s.start, s.end), abi.SysMunmap, plan.Imm(s.start), plan.Imm(s.size()))
	}
}

// becomeIndependent lets each process live or die on its own, when all are
// complete: from here on nothing fails. The first one comes first, so that restore
// can not take it with it when the others have stopped dying with their parents.
func (w *writer) becomeIndependent() {
	w.arriveAt(w.complete)
	if w.p.isTree() {
		w.parentDeathSignal(w.t.PDeathSig)
	}
	w.open(w.complete)
}

// leave lets the kernel give the thread all its registers at once, and the
// program runs.
func (w *writer) leave() {
	if w.m.process.Shares.Descriptors == 0 {
		w.b.Call("close the message descriptor", abi.SysClose, plan.Imm(uint64(w.p.files.errFD.Fd())))
	}
	w.awaitStopped()
	if w.m.process.Stopped {
		// It takes effect here and now, and the program goes on at SIGCONT.
		w.b.Call("stop the program again", abi.SysKill, plan.Int(w.newPID()), plan.Int(int(syscall.SIGSTOP)))
	}
	land := plan.Landing{PC: plan.EndThread()}
	if !w.t.Dead {
		land = w.landing(0)
	}
	if !w.m.owns() {
		w.letThreadsGo()
		w.b.Depart("continue the program", land, w.meeting().gone)
		return
	}
	w.letGo()
	w.unmapWords()
	land.Keep = w.keep
	w.b.Leave("continue the program", land)
}
