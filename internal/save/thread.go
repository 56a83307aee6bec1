package save

import (
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// threadState collects what belongs to one thread: what the kernel tells by
// ptrace, and the registers with which it goes on, here and in the image. Of
// the signals to the whole process earlier threads take those claimed.
func (f *frozen) threadState(s *subject, ft *frozenThread, t *image.Thread, signals *image.Signals, claimed uint64) error {
	t.Comm = s.threads[t.TID].Name
	regs, err := ft.Regs()
	if err != nil {
		return err
	}
	if t.XSave, err = ft.XState(); err != nil {
		return err
	}
	if t.SigMask, err = ft.SigMask(); err != nil {
		return err
	}
	if t.Pending, err = pending(ft.Thread, false); err != nil {
		return err
	}
	if t.Rseq, err = ft.Rseq(); err != nil {
		return err
	}
	head, size, err := ptrace.RobustList(t.TID)
	if err != nil {
		return err
	}
	t.RobustList = image.RobustList{Head: image.Addr(head), Size: size}

	handler := nextHandler(t, signals, claimed)
	_, running := ptrace.RestartRegs(regs, handler)
	img, ok := ptrace.ImageRegs(f.mem, regs, handler)
	if !ok {
		s.refuse(s.thread(t.TID), "waits in a system call that was interrupted before, and the kernel does not tell which", "try again in a moment")
	}
	rip, err := ptrace.RseqRip(f.mem, t.Rseq, img.Rip)
	if err != nil {
		return err
	}
	if rip != img.Rip {
		// The injected calls cost the running thread its protection, too.
		img.Rip, running.Rip = rip, rip
	}
	t.Regs, t.RestOfSleep = img, ptrace.RestOfSleep(regs, img)
	if running != regs {
		ft.resume = &running
	}
	return nil
}

// kthreadd is the parent of all kernel threads, and may run on all processors.
const kthreadd = 2

// From sched(7).
const (
	schedDeadline    = 6
	schedResetOnFork = 0x40000000
)

// scheduling collects what the scheduler knows of the thread.
func scheduling(s *subject, t *image.Thread) (err error) {
	if t.Nice, err = sys.Nice(t.TID); err != nil {
		return err
	}
	if t.Policy, t.Priority, err = sys.Scheduler(t.TID); err != nil {
		return err
	}
	if t.Policy&^schedResetOnFork == schedDeadline {
		s.refuse(s.thread(t.TID), "is scheduled by deadlines (SCHED_DEADLINE)", "")
	}
	affinity, err := sys.Affinity(t.TID)
	if err != nil {
		return err
	}
	// A thread that may run everywhere may do so on a larger machine, too.
	if everywhere, err := sys.Affinity(kthreadd); err != nil || !slices.Equal(affinity, everywhere) {
		t.Affinity = affinity
	}
	t.IOPrio, err = sys.IOPriority(t.TID)
	return err
}

// texts lists the executable mappings.
func texts(vmas []proc.VMA) []ptrace.Text {
	var out []ptrace.Text
	for i := range vmas {
		if v := &vmas[i]; v.Exec && v.Read {
			out = append(out, ptrace.Text{Start: v.Start, End: v.End, Path: v.Path})
		}
	}
	return out
}

// stackOf is the main thread's stack, on which there is nothing below the red
// zone that anybody relies on: the kernel itself puts signal frames there.
func stackOf(vmas []proc.VMA) ptrace.Range {
	for i := range vmas {
		if v := &vmas[i]; v.Path == "[stack]" {
			return ptrace.Range{Start: v.Start, End: v.End}
		}
	}
	return ptrace.Range{}
}
