package save

import (
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// kthreadd is the parent of all kernel threads, and may run on all processors.
const kthreadd = 2

// scheduling collects what the scheduler knows of the thread.
func scheduling(s *subject, t *image.Thread, a *image.Attributes) (err error) {
	t.Nice = s.stat.Nice
	if t.Policy, t.Priority, err = sys.Scheduler(t.TID); err != nil {
		return err
	}
	affinity, err := sys.Affinity(t.TID)
	if err != nil {
		return err
	}
	// A thread that may run everywhere may do so on a larger machine, too.
	if everywhere, err := sys.Affinity(kthreadd); err != nil || !slices.Equal(affinity, everywhere) {
		t.Affinity = affinity
	}
	a.IOPrio, err = sys.IOPriority(t.TID)
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
