package restore

import (
	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// From the block's code to the last signal frame the block stays mapped for good.
// So what must stay comes first in the plan's data, and the processes of a tree
// have it in the same place: each copies its own frames there when it leaves.

// frames are the signal frames by which the threads of a process get their
// registers, by index of the thread.
type frames struct {
	from, to []plan.Arg
	size     []uint64
	asleep   []plan.Arg // words of the block's stubs that the process's threads enter
	meet     meeting
}

const frameAlign = 64

// putFrames puts what must stay into the plan's data.
func (w *writer) putFrames() {
	members := w.p.members
	w.frames = make([]frames, len(members))
	regs := make([][]abi.Regs, len(members))
	for i, m := range members {
		regs[i] = w.registers(m)
	}
	start := w.b.ReserveAligned(0, frameAlign).Imm
	used := map[int]uint64{} // by the process that has the memory
	room := uint64(0)
	for i, m := range members {
		owner := m.memory()
		used[owner] = w.placeFrames(m, start+used[owner]) - start
		room = max(room, used[owner])
		if !w.p.isTree() {
			w.writeFrames(m, regs[i]) // right where they stay
		}
	}
	if w.p.isTree() {
		w.b.Reserve(int(room))
	}
	w.keep = w.b.ReserveAligned(0, pageSize).Imm
	for i, m := range members {
		if w.p.isTree() {
			w.writeFrames(m, regs[i])
		}
	}
}

// placeFrames finds places for the frames of a process, from the offset at in
// the block on, and gives where they end.
func (w *writer) placeFrames(m *member, at uint64) uint64 {
	f := &w.frames[m.index]
	place := func(n, align uint64) plan.Arg {
		at = (at + align - 1) &^ (align - 1)
		at += n
		return plan.Arg{Slot: plan.Base, Imm: at - n}
	}
	if w.p.isTree() {
		f.meet = meeting{place(8, 8), place(8, 8), place(8, 8)}
	} else if len(m.process.Threads) > 1 {
		f.meet = newMeeting(w.b)
	}
	if owner := m.memory(); owner != m.process.PID {
		f.meet.gone = w.frames[w.p.member(owner).index].meet.gone
	}
	for i := range m.process.Threads {
		t := &m.process.Threads[i]
		var to plan.Arg
		if w.p.isTree() && !t.Dead {
			to = place(uint64(abi.SignalFrameSize(len(t.XSave))), frameAlign)
		}
		f.to = append(f.to, to)
	}
	return at
}

// writeFrames writes the frames of a process into the plan's data.
func (w *writer) writeFrames(m *member, regs []abi.Regs) {
	f := &w.frames[m.index]
	for i := range m.process.Threads {
		t := &m.process.Threads[i]
		if t.Dead {
			f.from, f.size = append(f.from, plan.Arg{}), append(f.size, 0)
			continue
		}
		if !w.p.isTree() {
			f.to[i] = w.b.ReserveAligned(0, frameAlign)
		}
		frame := abi.SignalFrame(regs[i], t.XSave, t.SigMask, altStack(t), w.block+f.to[i].Imm, w.block+plan.Sigreturn().Imm)
		f.from, f.size = append(f.from, w.b.AlignedData(frame, frameAlign)), append(f.size, uint64(len(frame)))
	}
}

// registers are those with which the threads of a process leave.
func (w *writer) registers(m *member) []abi.Regs {
	v, f := w.vdsos[w.p.member(m.memory()).index], &w.frames[m.index]
	regs := make([]abi.Regs, len(m.process.Threads))
	for i := range m.process.Threads {
		t := &m.process.Threads[i]
		regs[i] = t.Regs
		if !t.Dead && v.aside && v.behindEntry(t.Regs.Rip) {
			regs[i].Rip += v.asideBy(w.work.start)
		}
		if t.RestOfSleep {
			var asleep plan.Arg
			if regs[i], asleep = w.b.SleepOn(regs[i], w.block); asleep != (plan.Arg{}) {
				f.asleep = append(f.asleep, asleep)
			}
		}
	}
	return regs
}

// altStack is the alternate signal stack as sigaltstack(2) takes it: whether a
// thread is on it is no setting.
func altStack(t *image.Thread) abi.StackT {
	s := t.AltStack
	s.Flags &^= abi.SSOnStack
	return s
}

// landing is where a thread of the process leaves to.
func (w *writer) landing(thread int) plan.Landing {
	f := &w.frames[w.m.index]
	if f.from[thread] != f.to[thread] {
		w.b.Copy("put the registers where they stay", f.to[thread], f.from[thread], plan.Imm(f.size[thread]))
	}
	sp := f.to[thread]
	sp.Imm = abi.SignalFrameSP(sp.Imm)
	return plan.Landing{PC: plan.Sigreturn(), SP: sp}
}

// fallAsleep notes which of the block's stubs for sleeps are this process's: a
// word that is 0 says that somebody is in the stub.
func (w *writer) fallAsleep() {
	for _, word := range w.frames[w.m.index].asleep {
		w.b.Poke32If("note that a thread sleeps", word, plan.Imm(plan.NobodySleeps), plan.Imm(0))
	}
}
