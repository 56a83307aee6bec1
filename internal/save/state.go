package save

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// askAndDescribe lets the processes tell what only they can, and reads what /proc
// tells meanwhile: while processes are asked, they are mostly waited for. But an
// incremental save gives them descriptors.
func (c *collector) askAndDescribe(ctx context.Context) (err error) {
	described := make(chan outcome, 1)
	describe := func() { described <- call(c.describe) }
	if c.inc == nil {
		go describe()
	}
	if err = c.states(); c.inc != nil {
		go describe()
	}
	err = errors.Join(err, aside(ctx, &c.beat, stallLimit, func() error { return (<-described).result() }))
	if err != nil {
		return err
	}
	for _, m := range c.members {
		m.complete()
	}
	return nil
}

// describe reads from /proc what is not needed to ask the processes.
func (c *collector) describe() (err error) {
	if err := c.together((*member).describe); err != nil {
		return err
	}
	if c.before.host.Clocks, err = readClocks(c.kin.fs, c.members[0].s.proc.PID); err != nil {
		return fmt.Errorf("read the clocks: %w", err)
	}
	if c.files, err = openFiles(c.subjects()...); err != nil {
		return err
	}
	return c.files.listDescriptors()
}

// statesAtOnce is how many processes are asked at the same time. More than that
// the processors are not kept busier.
const statesAtOnce = 8

// states collects the state of all processes. Those with the same memory are
// asked one after the other: the places that injected calls use may be the same.
func (c *collector) states() error {
	if len(c.members) == 1 {
		return c.each(func(m *member) error { return m.state(nil) })
	}
	errs := make([]error, len(c.members))
	failed := false
	var tasks []func(*ptrace.Turn)
	for _, group := range c.byMemory() {
		tasks = append(tasks, func(turn *ptrace.Turn) {
			for _, m := range group {
				if !failed {
					errs[m.index] = m.state(turn)
					failed = failed || errs[m.index] != nil
				}
			}
		})
	}
	ptrace.Interleave(statesAtOnce, tasks)
	return c.first(errs)
}

// byMemory groups the processes that have the same memory, whose owner is first.
func (c *collector) byMemory() (groups [][]*member) {
	of := map[int]int{} // by the owner's id
	for _, m := range c.members {
		owner := cmp.Or(m.s.shares.Memory, m.s.pid)
		i, known := of[owner]
		if !known {
			i = len(groups)
			of[owner], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], m)
	}
	return groups
}

// state collects the process's own state and that of its threads.
func (m *member) state(turn *ptrace.Turn) error {
	defer func() { m.asked = true }()
	if m.s.zombie {
		return nil
	}
	m.turn = turn
	for _, t := range m.frozen.threads {
		t.TakeTurns(turn)
	}
	timers, err := m.s.proc.Timers()
	if err != nil {
		return fmt.Errorf("find the process's timers: %w", err)
	}
	m.listThreads()
	if err := m.inject(timers); err != nil {
		return err
	}
	return m.threadStates()
}

func (m *member) listThreads() {
	m.p.Threads = make([]image.Thread, len(m.frozen.threads))
	for i, ft := range m.frozen.threads {
		m.p.Threads[i].TID = ft.Tid()
	}
}

// threadStates collects what the kernel tells of the threads, and decides with which
// registers they go on: it has to be done after every injected call.
func (m *member) threadStates() (err error) {
	f, p := m.frozen, &m.p
	if p.Signals.Pending, err = pending(f.threads[0].Thread, true); err != nil {
		return err
	}
	claimed := uint64(0)
	for i, ft := range f.threads {
		t := &p.Threads[i]
		if err := f.threadState(m.s, ft, t, &p.Signals, claimed); err != nil {
			return err
		}
		claimed |= ^t.SigMask
		if err := scheduling(m.s, t); err != nil {
			return err
		}
		p.Stopped = p.Stopped || ft.GroupStopped()
	}
	if m.s.leaderDead {
		p.Threads = append([]image.Thread{{TID: m.s.pid, Comm: m.s.comm, Dead: true}}, p.Threads...)
	}
	return nil
}

// living is the first thread that has not ended.
func living(threads []image.Thread) *image.Thread {
	if threads[0].Dead {
		return &threads[1]
	}
	return &threads[0]
}

// inject asks the process for what /proc does not tell: its first thread for
// what belongs to all, and then each of the others, while the first one stands
// ready to go on.
func (m *member) inject(timers []proc.Timer) (err error) {
	p := &m.p
	in, o, err := m.injector()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	m.lend(in)
	twin := m.s.shares.Memory == 0 && m.ahead == nil && !m.copiedAhead() && !m.c.before.little
	first := newQuestions(in)
	first.own(p)
	first.thread(&p.Threads[0])
	if !twin {
		first.itself(m)
	}
	if err := askAll([]*questions{first}); err != nil {
		return err
	}
	if err := timerSlack(m.c.kin.fs, []*ptrace.Injector{in}, p.Threads[:1]); err != nil {
		return err
	}
	r := newRemote(in)
	for _, timer := range timers {
		if timer.Clock == abi.ClockThreadCPUTime && len(p.Threads) > 1 {
			m.s.refuse(fmt.Sprintf("timer %d", timer.ID), "measures the processor time of one thread, and the kernel does not tell of which", "")
		}
	}
	p.Timers.POSIX = r.posixTimers(timers)
	m.askChildren(r)
	m.asked = true
	if r.err != nil {
		return r.err
	}
	if err := m.injectOthers(in, o, p.Threads); err != nil {
		return err
	}
	m.c.inc.track(m, in)
	if !twin {
		return nil
	}
	if m.noTwin = m.makeTwin(in); m.twin != nil && m.writer == nil {
		return nil // it was asked
	}
	instead := newQuestions(in)
	instead.itself(m)
	return askAll([]*questions{instead})
}

// injector makes the process's first thread ready for injected calls.
func (m *member) injector() (*ptrace.Injector, ptrace.Options, error) {
	return m.c.injector(m.frozen, m.vmas, m.s.status.SigCgt)
}

// injector makes the first thread of a process ready for injected calls. vmas are
// its mappings, and caught the signals that it has handlers for.
func (c *collector) injector(f *frozen, vmas []proc.VMA, caught uint64) (in *ptrace.Injector, o ptrace.Options, err error) {
	gadgets, texts := c.before.codes[f.pid], texts(vmas)
	if !gadgets.Hold(f.threads[0].Tid(), f.mem, texts) {
		if gadgets, err = ptrace.FindGadgets(f.mem, texts); err != nil {
			return nil, o, err
		}
	}
	o = ptrace.Options{
		Mem: f.mem, Gadgets: gadgets, Stack: stackOf(vmas), Stale: slices.ContainsFunc(vmas, func(v proc.VMA) bool { return isScratch(&v) }), Timeout: c.o.Timeout, Ignored: ^caught,
	}
	in, err = ptrace.Inject(f.threads[0].Thread, o)
	return in, o, err
}

// askChildren finds out what of its children's fate the process has not been told
// yet. Mostly there is nothing, which one call tells.
func (m *member) askChildren(r *remote) {
	const all, one = 0, 1 // P_ALL, P_PID
	children := m.children()
	if len(children) == 0 || r.news(all, 0) == 0 {
		return
	}
	for _, c := range children {
		c.p.Untold = r.news(one, c.s.pid)
	}
}

// children are those that live, and are saved with the process.
func (m *member) children() (all []*member) {
	for _, c := range m.c.members {
		if c.s.stat.PPid == m.s.pid && !c.s.zombie {
			all = append(all, c)
		}
	}
	return all
}

// hasChildren reports whether processes that are saved with it are its children.
func (m *member) hasChildren() bool {
	return slices.ContainsFunc(m.c.members, func(c *member) bool { return c.s.stat.PPid == m.s.pid })
}

// injectOthers asks all threads but the first one, in memory that that one
// shares, some at a time.
func (m *member) injectOthers(first *ptrace.Injector, o ptrace.Options, threads []image.Thread) error {
	if len(threads) < 2 {
		return nil
	}
	o.Stale = false
	slots, err := first.Share()
	if err != nil {
		return err
	}
	others, threads := m.frozen.threads[1:], threads[1:]
	for len(others) > 0 {
		n := min(len(others), len(slots))
		if err := m.injectGroup(others[:n], o, slots, threads[:n]); err != nil {
			return err
		}
		others, threads = others[n:], threads[n:]
	}
	return nil
}

func (m *member) injectGroup(group []*frozenThread, o ptrace.Options, slots []ptrace.Range, to []image.Thread) (err error) {
	var ins []*ptrace.Injector
	defer func() {
		for _, in := range ins {
			err = errors.Join(err, in.Close())
		}
	}()
	for i, ft := range group {
		o.Shared = slots[i]
		in, err := ptrace.Inject(ft.Thread, o)
		if err != nil {
			return err
		}
		ins = append(ins, in)
	}
	return askThreads(m.c.kin.fs, ins, to)
}

// isScratch reports whether an engine that died has left the mapping.
func isScratch(v *proc.VMA) bool { return v.Inode == 0 && ptrace.IsScratch(v.Start, v.End) }
