package save

import (
	"errors"
	"fmt"
	"slices"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// state collects the process's own state and that of its threads.
func (c *collector) state(p *image.Process, vmas []proc.VMA) error {
	timers, err := c.s.proc.Timers()
	if err != nil {
		return fmt.Errorf("find the process's timers: %w", err)
	}
	f := c.frozen
	p.Threads = make([]image.Thread, len(f.threads))
	for i, ft := range f.threads {
		p.Threads[i].TID = ft.Tid()
	}
	if err := c.inject(p, vmas, timers); err != nil {
		return err
	}
	if p.Signals.Pending, err = pending(f.threads[0].Thread, true); err != nil {
		return err
	}
	f.actions = p.Signals.Actions
	claimed := uint64(0)
	for i, ft := range f.threads {
		t := &p.Threads[i]
		if err := f.threadState(c.s, ft, t, p.Signals.Pending, claimed); err != nil {
			return err
		}
		claimed |= ^ft.mask
		if err := scheduling(c.s, t); err != nil {
			return err
		}
		p.Stopped = p.Stopped || ft.GroupStopped()
	}
	if c.s.leaderDead {
		p.Threads = append([]image.Thread{{TID: c.s.pid, Comm: c.s.comm, Dead: true}}, p.Threads...)
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
func (c *collector) inject(p *image.Process, vmas []proc.VMA, timers []proc.Timer) (err error) {
	gadgets, texts := c.before.code.gadgets, texts(vmas)
	if !c.before.code.holds(c.frozen.mem, texts) {
		if gadgets, err = ptrace.FindGadgets(c.frozen.mem, texts); err != nil {
			return err
		}
	}
	o := ptrace.Options{
		Mem: c.frozen.mem, Gadgets: gadgets, Stack: stackOf(vmas), Stale: slices.ContainsFunc(vmas, func(v proc.VMA) bool { return isScratch(&v) }), Timeout: c.o.Timeout,
	}
	in, err := ptrace.Inject(c.frozen.threads[0].Thread, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	r := newRemote(in)
	p.Memory.Brk = r.brk()
	p.Timers.Interval = r.intervalTimers()
	for _, timer := range timers {
		if timer.Clock == abi.ClockThreadCPUTime && len(p.Threads) > 1 {
			c.s.refuse(fmt.Sprintf("timer %d", timer.ID), "measures the processor time of one thread, and the kernel does not tell of which", "")
		}
		p.Timers.POSIX = append(p.Timers.POSIX, r.posixTimer(timer))
	}
	r.attributes(&p.Attributes)
	if r.hasLDT() {
		c.s.refuse("process", "has a local descriptor table (modify_ldt)", "")
	}
	if r.err != nil {
		return r.err
	}
	if err := askThreads([]*ptrace.Injector{in}, p.Threads[:1]); err != nil {
		return err
	}
	if err := c.injectOthers(in, o, p.Threads); err != nil {
		return err
	}
	if c.noTwin = c.makeTwin(in, &p.Attributes); c.noTwin != nil {
		p.Signals.Actions = r.signalActions()
		return r.err
	}
	p.Signals.Actions, err = twinActions(c.twin)
	return err
}

// injectOthers asks all threads but the first one, in memory that that one
// shares, some at a time.
func (c *collector) injectOthers(first *ptrace.Injector, o ptrace.Options, threads []image.Thread) error {
	if len(threads) < 2 {
		return nil
	}
	o.Stale = false
	slots, err := first.Share()
	if err != nil {
		return err
	}
	others, threads := c.frozen.threads[1:], threads[1:]
	for len(others) > 0 {
		n := min(len(others), len(slots))
		if err := injectGroup(others[:n], o, slots, threads[:n]); err != nil {
			return err
		}
		others, threads = others[n:], threads[n:]
	}
	return nil
}

func injectGroup(group []*frozenThread, o ptrace.Options, slots []ptrace.Range, to []image.Thread) (err error) {
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
	return askThreads(ins, to)
}

// isScratch reports whether an engine that died has left the mapping.
func isScratch(v *proc.VMA) bool { return v.Inode == 0 && ptrace.IsScratch(v.Start, v.End) }
