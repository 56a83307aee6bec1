package save

import (
	"errors"
	"os"
	"time"

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

// openWatch begins to watch a frozen process.
func (c *collector) openWatch(a *ahead, p *frozen) (err error) {
	if len(p.threads) == 0 {
		return ended(p.pid)
	}
	of := c.kin.fs.Process(p.threads[0].Tid())
	status, err := of.Status()
	if err != nil {
		return err
	}
	vmas, err := of.Maps()
	if err != nil {
		return err
	}
	if a.mem, err = os.Open(of.Path("mem")); err != nil {
		return err
	}
	in, _, err := c.injector(p, vmas, status.SigCgt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	a.watch, err = newWatch(in, of)
	return err
}
