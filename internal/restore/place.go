package restore

import (
	"fmt"
	"slices"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// place puts every open file of a process at its numbers, closes all else but
// the descriptor for messages, and then lets the kinds add what can only be done
// in the final process. meet adds a step that waits until all processes have come
// to it; it is nil if there is only one. Each process comes to as many of them,
// and before the first one it must have its session and process group.
func (f *files) place(b *plan.Builder, p *image.Process, meet func(*plan.Builder)) error {
	if p.Shares.Descriptors == 0 {
		f.placeOwn(b, p)
	}
	if meet != nil {
		meet(b)
	}
	f.openLate(b, p)
	if meet != nil && f.anyLateShared() {
		meet(b)
		f.fetchLate(b, p)
	}
	for _, fin := range f.finals[p] {
		if fds := f.finalNumbers(p, fin.file); len(fds) > 0 {
			if err := fin.add(b, fds); err != nil {
				return fmt.Errorf("%s: %w", object(p, fin.file), err)
			}
		}
	}
	f.setForeground(b, p)
	for _, fd := range f.inFlight(p) {
		b.Call("close what is in flight", abi.SysClose, plan.Int(fd))
	}
	return nil
}

func (f *files) placeOwn(b *plan.Builder, p *image.Process) {
	for _, d := range p.Descriptors {
		from := f.null
		if file := f.madeAt[number{d.File, d.FD}]; file != nil {
			from = file
		} else if file := f.made[d.File]; file != nil {
			from = file
		}
		what := fmt.Sprintf("place descriptor %d (%s)", d.FD, f.p.m.Files[d.File].Path)
		b.Call(what, abi.SysDup3, plan.Int(int(from.Fd())), plan.Int(d.FD), plan.Int(closeOnExec(d))).Want(plan.Int(d.FD))
	}
	f.closeOthers(b, p)
}

// closeOnExec is the flag of dup3(2).
func closeOnExec(d image.Descriptor) int {
	if d.CloseOnExec {
		return sys.OCloexec
	}
	return 0
}

// closeOthers closes every number that is not one of the process's or still
// needed.
func (f *files) closeOthers(b *plan.Builder, p *image.Process) {
	next := 0
	closeUpTo := func(end int) {
		if next < end {
			b.Call(fmt.Sprintf("close descriptors %d-%d", next, end-1), abi.SysCloseRange, plan.Int(next), plan.Int(end-1))
		}
		next = end + 1
	}
	keep := []int{int(f.errFD.Fd())}
	for _, d := range p.Descriptors {
		keep = append(keep, d.FD)
	}
	keep = append(keep, f.inFlight(p)...)
	slices.Sort(keep)
	for _, fd := range keep {
		closeUpTo(fd)
	}
	closeUpTo(1 << 31)
}

// finalNumbers are the numbers of a file in the final process: its own, or the
// one that it has for now if it is in flight.
func (f *files) finalNumbers(p *image.Process, of *image.OpenFile) []int {
	if file := f.made[of.ID]; of.InFlight && file != nil {
		return []int{int(file.Fd())}
	}
	return f.context.NumbersIn(p, of)
}

// inFlight are the numbers of the files in flight, which the root sees to.
func (f *files) inFlight(p *image.Process) []int {
	if p != f.p.process {
		return nil
	}
	var fds []int
	for id, file := range f.made {
		if f.p.m.Files[id].InFlight {
			fds = append(fds, int(file.Fd()))
		}
	}
	slices.Sort(fds)
	return fds
}

// openLate opens the files of Late that are at home in p.
func (f *files) openLate(b *plan.Builder, p *image.Process) {
	for _, l := range f.late {
		if f.context.Home(l.file) != p {
			continue
		}
		fd := b.Slot()
		l.open(b, fd)
		f.distribute(b, p, l.file, fd)
		b.Free(fd)
	}
}

// fetchLate takes the others' files of Late from them.
func (f *files) fetchLate(b *plan.Builder, p *image.Process) {
	for _, l := range f.late {
		home := f.context.Home(l.file)
		if home == p || p.Shares.Descriptors != 0 || !p.HasDescriptor(l.file.ID) {
			continue
		}
		pid, _ := f.context.NewPID(home.PID)
		other, fd := b.Slot(), b.Slot()
		b.Call(fmt.Sprintf("look at process %d", pid), abi.SysPidfdOpen, plan.Int(pid)).Store(other)
		number := f.context.NumbersIn(home, l.file)[0]
		b.Call(fmt.Sprintf("share its fd %d", number), abi.SysPidfdGetfd, plan.Arg{Slot: other}, plan.Int(number)).Store(fd)
		b.Call("look no more at that process", abi.SysClose, plan.Arg{Slot: other})
		f.distribute(b, p, l.file, fd)
		b.Free(other)
		b.Free(fd)
	}
}

// distribute moves a descriptor to all numbers of its file.
func (f *files) distribute(b *plan.Builder, p *image.Process, of *image.OpenFile, fd plan.Slot) {
	for _, d := range p.Descriptors {
		if d.File == of.ID {
			b.Call(fmt.Sprintf("move %s to %d", of.Path, d.FD), abi.SysDup3, plan.Arg{Slot: fd}, plan.Int(d.FD), plan.Int(closeOnExec(d)))
		}
	}
	b.Call("close the first descriptor of "+of.Path, abi.SysClose, plan.Arg{Slot: fd})
}

// anyLateShared reports whether several processes have a file of Late.
func (f *files) anyLateShared() bool {
	return slices.ContainsFunc(f.late, func(l late) bool { return f.context.Shared(l.file) })
}
