package save

import (
	"errors"
	"os"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/ptrace"
)

// briefly freezes the processes, does something, and lets them go on as if nothing
// had happened.
func (c *collector) briefly(do func(*frozenTree) error) (err error) {
	f, err := freeze(&c.kin, c.before.relatives, c.o.Timeout)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.release())
		c.longest = max(c.longest, time.Since(f.since))
	}()
	for _, p := range f.processes {
		if err := p.keepCalls(); err != nil {
			return err
		}
	}
	return do(f)
}

// keepCalls sets calls back that have failed only because they were interrupted.
// Whether a signal interrupts them is for the kernel to say: see RestartRegs.
func (p *frozen) keepCalls() error {
	for _, ft := range p.threads {
		regs, err := ft.Regs()
		if err != nil {
			return err
		}
		if _, running := ptrace.RestartRegs(regs, ptrace.NoHandler); running != regs {
			ft.resume = &running
		}
	}
	return nil
}

// openWatch begins to watch a frozen process, and makes the shadow that writes its
// memory, where it can have one.
func (c *collector) openWatch(f *frozenTree, a *ahead, p *frozen) (err error) {
	if len(p.threads) == 0 {
		return ended(p.pid)
	}
	of := c.kin.fs.Process(p.threads[0].Tid())
	alone, err := c.orphansPass(f, p)
	if err != nil {
		return err
	}
	if a.mem, err = os.Open(of.Path("mem")); err != nil {
		return err
	}
	return c.injected(p, func(in *ptrace.Injector) (err error) {
		if a.watch, err = newWatch(in, of); err != nil || !alone {
			return err
		}
		reaps, err := isSubreaper(in)
		if err == nil && !reaps {
			a.shadow = c.makeShadow(in, p.mem)
		}
		return err
	})
}

// makeShadow makes the shadow of a process. It is nil where that can not be.
func (c *collector) makeShadow(in *ptrace.Injector, mem ptrace.Memory) *twinWriter {
	shadow, err := in.Shadow()
	if err != nil {
		return nil
	}
	at, _ := in.Scratch()
	w, err := c.handImage(shadow, mem, at)
	if err != nil {
		shadow.Kill()
		return nil
	}
	return w
}

// orphansPass reports whether none of the processes above a frozen one gets the
// orphans among its descendants, as a shadow is one.
func (c *collector) orphansPass(f *frozenTree, p *frozen) (bool, error) {
	status, err := c.kin.fs.Process(p.threads[0].Tid()).Status()
	if err != nil {
		return false, err
	}
	if n := status.NSpid; len(n) > 0 && n[len(n)-1] == 1 {
		return false, nil
	}
	for {
		stat, err := c.kin.fs.Process(p.pid).Stat()
		if err != nil {
			return false, err
		}
		if p = f.process(stat.PPid); p == nil || len(p.threads) == 0 {
			return true, nil
		}
		reaps := false
		err = c.injected(p, func(in *ptrace.Injector) (err error) {
			reaps, err = isSubreaper(in)
			return err
		})
		if err != nil || reaps {
			return false, err
		}
	}
}

// isSubreaper asks whether the orphans among a process's descendants become its
// children.
func isSubreaper(in *ptrace.Injector) (bool, error) {
	q, p := newQuestions(in), image.Process{}
	q.own(&p)
	err := askAll([]*questions{q})
	return p.Attributes.Subreaper, err
}

// injected makes the first thread of a frozen process ready for calls, which do
// makes.
func (c *collector) injected(p *frozen, do func(in *ptrace.Injector) error) (err error) {
	of := c.kin.fs.Process(p.threads[0].Tid())
	status, err := of.Status()
	if err != nil {
		return err
	}
	vmas, err := of.Maps()
	if err != nil {
		return err
	}
	in, _, err := c.injector(p, vmas, status.SigCgt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return do(in)
}
