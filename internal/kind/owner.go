package kind

import (
	"fmt"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// saveOwner notes who is sent SIGIO about the open file.
func saveOwner(c *SaveContext, d *Desc, f *image.OpenFile) error {
	if f.Flags&sys.OPath != 0 {
		return nil
	}
	local, err := c.Local(d)
	if err != nil {
		return fmt.Errorf("%s: look at its owner: %w", d.object(), err)
	}
	fd := int(local.Fd())
	typ, pid, err := sys.FileOwner(fd)
	if err != nil {
		return fmt.Errorf("%s: look at its owner: %w", d.object(), err)
	}
	sig, err := sys.FileSignal(fd)
	if err != nil {
		return fmt.Errorf("%s: look at its signal: %w", d.object(), err)
	}
	if pid != 0 || sig != 0 {
		f.Owner = &image.FileOwner{Type: typ, PID: pid, Signal: sig}
	}
	return nil
}

// restoreOwner sets who is sent SIGIO. It is done in the final process, after
// everything else about descriptors, so that no signal is sent to a process
// that is only on its way to become the restored one.
func restoreOwner(r *RestoreContext, f *image.OpenFile) {
	if f.Owner == nil && f.Flags&sys.OAsync == 0 {
		return
	}
	var owner image.FileOwner
	if f.Owner != nil {
		owner = *f.Owner
	}
	switch pid, ok := newOwner(r, owner); {
	case owner.PID == 0:
	case ok:
		owner.PID = pid
	default:
		r.Warn(r.object(f), fmt.Sprintf("its signals went to process %d, which is not part of the image: they go to nobody now", owner.PID))
		owner.PID = 0
	}
	r.finally(f, func(b *plan.Builder, fds []int) error {
		fd := plan.Imm(uint64(fds[0]))
		if owner.Signal != 0 {
			b.Call(fmt.Sprintf("set the signal of fd %d", fds[0]), abi.SysFcntl,
				fd, plan.Imm(sys.FSetsig), plan.Imm(uint64(owner.Signal)))
		}
		if owner.PID != 0 {
			b.Call(fmt.Sprintf("set the owner of fd %d", fds[0]), abi.SysFcntl,
				fd, plan.Imm(sys.FSetownEx), b.Data(sys.FileOwnerBytes(owner.Type, owner.PID)))
		}
		if f.Flags&sys.OAsync != 0 {
			// Signals tell the number through which the flag was set.
			b.Call(fmt.Sprintf("switch on the signals of fd %d", fds[0]), abi.SysFcntl,
				fd, plan.Imm(sys.FSetfl), plan.Int(f.Flags&(settable|sys.OAsync)))
		}
		return nil
	})
}

func newOwner(r *RestoreContext, o image.FileOwner) (int, bool) {
	if o.Type == sys.FOwnerPGRP {
		return r.NewGroup(o.PID)
	}
	return r.NewPID(o.PID)
}
