package restore

import (
	"fmt"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// A child belongs to the thread that made it: that one waits for it if it wants
// no others' (__WNOTHREAD of wait(2)), and when it ends the child gets its signal
// (PR_SET_PDEATHSIG of prctl(2)). So threads that have children are started before
// the others, and make them.

// parentThread is a thread that was started to make children.
type parentThread struct {
	thread *image.Thread
	b      *plan.Builder
}

// startParents starts them.
func (w *writer) startParents() {
	if w.birth.temporary() {
		return
	}
	for i := range w.m.process.Threads[1:] {
		t := &w.m.process.Threads[i+1]
		if len(w.childrenOfThread(w.birth.children, t.TID)) > 0 {
			own := w.start(t)
			own.About(fmt.Sprintf("thread %d: ", t.TID))
			w.parents = append(w.parents, parentThread{t, own})
		}
	}
	if len(w.parents) > 0 {
		w.resumed = w.b.Reserve(8)
	}
}

// childrenOfThread are those that the thread makes; 0 is the first one.
func (w *writer) childrenOfThread(of []*birth, tid int) (all []*birth) {
	for _, c := range of {
		maker := 0
		if !c.temporary() && !c.adopted && !w.birth.temporary() {
			maker = c.process.ParentThread
		}
		if maker == tid {
			all = append(all, c)
		}
	}
	return all
}

// makeChildren has each of the threads make its children, and waits for that.
func (w *writer) makeChildren(children []*birth) error {
	own := w.b
	var begin, made plan.Arg
	if len(w.parents) > 0 {
		begin, made = own.Reserve(8), own.Reserve(8)
		own.Add("let threads make processes", begin, plan.Imm(1))
	}
	for _, p := range w.parents {
		w.b = p.b
		w.b.Await("wait for the first thread", begin, plan.Imm(1))
		for _, c := range w.childrenOfThread(children, p.thread.TID) {
			if err := w.makeChild(c); err != nil {
				return err
			}
		}
		w.b.Add("have made processes", made, plan.Imm(1))
	}
	w.b = own
	for _, c := range w.childrenOfThread(children, 0) {
		if err := w.makeChild(c); err != nil {
			return err
		}
	}
	if len(w.parents) > 0 {
		own.Await("wait for threads that make processes", made, plan.Int(len(w.parents)))
	}
	return nil
}

// resume gives the list of a thread that is there already, from where the process
// is complete: it has nothing that was set for the first one in between.
func (w *writer) resume(t *image.Thread) *plan.Builder {
	for _, p := range w.parents {
		if p.thread == t {
			p.b.Await("wait for the process", w.resumed, plan.Imm(1))
			p.b.Call("set the personality", abi.SysPersonality, plan.Imm(uint64(w.m.process.Attributes.Personality)))
			return p.b
		}
	}
	return nil
}

// letResume lets them go on.
func (w *writer) letResume() {
	if len(w.parents) > 0 {
		w.b.Add("let threads go on", w.resumed, plan.Imm(1))
	}
}
