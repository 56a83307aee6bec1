package restore

import (
	"fmt"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// The monotonic and the boot-time clock count from the machine's start. After
// a reboot, on another machine, or in another time namespace they stand
// somewhere else, and a program that waits for a moment on them would wait for
// days. Where it is allowed, such a program gets a time namespace in which both
// go on from where they were; see time_namespaces(7). On the same boot nothing
// is done: the time that the program did not run has passed for it too, as for
// one that was stopped.

// clockJump tells how much the monotonic clock would jump, and the offsets of
// a time namespace in which it does not. No jump: the clocks are the saved ones.
func (p *preparation) clockJump() (jump time.Duration, want proc.TimeOffsets, err error) {
	saved := p.m.Host.Clocks
	own, err := p.host.fs.Process(p.host.status.Tgid).TimeOffsets()
	if err != nil {
		return 0, own, err
	}
	if p.m.Host.BootID == p.host.bootID && own.Monotonic == saved.MonotonicOffset && own.Boottime == saved.BoottimeOffset {
		return 0, own, nil
	}
	monotonic, err := sys.ClockNow(sys.ClockMonotonic)
	if err != nil {
		return 0, own, err
	}
	boottime, err := sys.ClockNow(sys.ClockBoottime)
	if err != nil {
		return 0, own, err
	}
	want = proc.TimeOffsets{
		Monotonic: saved.Monotonic - (monotonic - own.Monotonic),
		Boottime:  saved.Boottime - (boottime - own.Boottime),
	}
	return time.Duration(monotonic - saved.Monotonic), want, nil
}

// keepClocks prepares the time namespace, if there is need for one.
func (p *preparation) keepClocks() error {
	jump, want, err := p.clockJump()
	if err != nil {
		return err
	}
	if jump == 0 {
		return nil
	}
	if err := sys.NewTimeNamespace(want.Monotonic, want.Boottime); err != nil {
		p.o.Warn("monotonic clock", fmt.Sprintf("jumps by %s, which only root can hide from the program: what waits for a moment on it may wait longer or less (%v)",
			jump.Round(time.Second), err))
	}
	return nil
}

// enterTimeNamespace moves the fresh process into the time namespace that
// keepClocks prepared. Kernels from 6.3 on do it at the execve.
func (w *writer) enterTimeNamespace() {
	if jump, _, err := w.p.clockJump(); err != nil || jump == 0 {
		return
	}
	fd := w.b.Slot()
	w.b.Call("open the time namespace", abi.SysOpenat, plan.Int(-100), w.b.CString("/proc/self/ns/time_for_children"), plan.Imm(sys.ORdonly|sys.OCloexec)).MayFail().Store(fd)
	w.b.Call("enter the time namespace", abi.SysSetns, plan.Arg{Slot: fd}, plan.Imm(0)).MayFail()
	w.b.Call("close the time namespace", abi.SysClose, plan.Arg{Slot: fd}).MayFail()
	w.b.Free(fd)
}
