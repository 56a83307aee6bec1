package restore

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// A process with several threads is restored like this. The first thread makes
// all that belongs to the process, up to its signal actions, and starts the
// others. Each sets what the kernel keeps for it alone, its ids and rights last,
// arrives, and waits. When all are there, the first one limits the process,
// starts its timers and lets all go. The others leave the block by their frames;
// when they have, the first one unmaps all of it but these, and follows.
//
// A first thread that had ended before the save makes the others too, and ends
// again: it stays a zombie until the last one has ended (pthread_exit(3)).

// meeting are the words by which the threads wait for each other. Threads that
// leave count themselves, so that the words are in what stays.
type meeting struct{ arrived, going, gone plan.Arg }

func newMeeting(b *plan.Builder) meeting { return meeting{b.Reserve(8), b.Reserve(8), b.Reserve(8)} }

func (w *writer) meeting() meeting { return w.frames[w.m.index].meet }

// others is how many threads there are besides the first.
func (w *writer) others() int { return len(w.m.process.Threads) - 1 }

// startThreads adds the start of all threads but the first, and their lists.
func (w *writer) startThreads() {
	if w.p.newTIDs {
		w.newIDs = map[*image.Thread]plan.Arg{}
	}
	first, b := w.t, w.b
	for i := range w.others() {
		t := &w.m.process.Threads[i+1]
		own, from := w.resume(t), (*image.Thread)(nil)
		if own == nil {
			own, from = w.start(t), w.m.thread
			own.About(fmt.Sprintf("thread %d: ", t.TID))
		}
		w.t, w.b = t, own
		if w.p.newTIDs {
			w.noteID()
		}
		w.scheduling(from)
		w.name()
		w.threadState()
		w.credentials()
		own.Add("arrive", w.meeting().arrived, plan.Imm(1))
		own.Await("wait for the others", w.meeting().going, plan.Imm(1))
		own.Depart("continue the program", w.landing(i+1), w.meeting().gone)
		w.t, w.b = first, b
	}
	w.letResume()
}

// start adds the call that makes a thread, with its id if it can be had.
func (w *writer) start(t *image.Thread) *plan.Builder {
	what := startThread + strconv.Itoa(t.TID)
	if w.p.newTIDs {
		own, _ := w.b.Spawn(what, abi.SysClone, plan.Imm(abi.CloneSibling))
		return own
	}
	id := w.b.Data(words(uint64(t.TID)))
	args := words(abi.CloneSibling, 0, 0, 0, 0, 0, 0, 0, w.block+id.Imm, 1)
	own, step := w.b.Spawn(what, abi.SysClone3, w.b.Data(args), plan.Int(len(args)))
	step.Want(plan.Int(t.TID))
	return own
}

// noteID keeps the id of a thread for the timers that signal it.
func (w *writer) noteID() {
	self, word := w.b.Slot(), w.b.Reserve(8)
	w.b.Call("ask for the thread's id", abi.SysGettid).Store(self)
	w.b.Poke32If("note the thread's id", word, plan.Imm(0), plan.Arg{Slot: self})
	w.b.Free(self)
	w.newIDs[w.t] = word
}

// newID is where the new id of a saved thread is noted.
func (w *writer) newID(tid int) (word plan.Arg, ok bool) {
	for t, word := range w.newIDs {
		if t.TID == tid {
			return word, true
		}
	}
	return plan.Arg{}, false
}

// keptID is the id of a saved thread, if it is known before the plan runs.
func (w *writer) keptID(tid int) int {
	if tid == 0 || tid == w.m.process.PID || w.others() == 0 {
		return w.newPID()
	}
	return tid
}

// scheduling sets what a new thread has from the one that made it, unless that is
// nil: it is not known. The first one
// of all has it from before the plan (launch.go); what is not allowed was said
// there, or is smaller than what that one was allowed.
func (w *writer) scheduling(from *image.Thread) {
	const self = 0
	t := w.t
	if from == nil || !slices.Equal(t.Affinity, from.Affinity) {
		mask := affinity(t)
		w.b.Call("set the CPU affinity", abi.SysSchedSetaffinity, plan.Imm(self), plan.Int(len(mask)), w.b.Data(mask)).MayFail()
	}
	priority := w.b.Data(words(uint64(uint32(t.Priority))))
	w.b.Call("set the scheduling policy", abi.SysSchedSetscheduler, plan.Imm(self), plan.Int(t.Policy), priority).MayFail()
	w.b.Call("set the I/O priority", abi.SysIoprioSet, plan.Imm(1), plan.Imm(self), plan.Int(t.IOPrio)).MayFail() // IOPRIO_WHO_PROCESS
	w.b.Call("set the nice value", abi.SysSetpriority, plan.Imm(0), plan.Imm(self), plan.Int(t.Nice)).MayFail()
}

// affinity is a CPU mask as sched_setaffinity(2) takes it; all processors if
// nothing is known.
func affinity(t *image.Thread) []byte {
	if len(t.Affinity) > 0 {
		return words(t.Affinity...)
	}
	const many = 1024 // CPUs
	return bytes.Repeat([]byte{0xff}, many/8)
}

// awaitThreads waits until all others have arrived.
func (w *writer) awaitThreads() {
	if n := w.others(); n > 0 {
		w.b.Await("wait for the other threads", w.meeting().arrived, plan.Int(n))
	}
}

// letGo lets the other threads leave, and waits until nobody needs the block any
// more.
func (w *writer) letGo() {
	w.letThreadsGo()
	n := w.others()
	for _, m := range w.p.members {
		if m.process.Shares.Memory == w.m.process.PID {
			n += len(m.process.Threads)
		}
	}
	if n > 0 {
		w.b.Await("wait until the other threads have left", w.meeting().gone, plan.Int(n))
	}
}

func (w *writer) letThreadsGo() {
	if w.others() > 0 {
		w.b.Add("let the other threads go", w.meeting().going, plan.Imm(1))
	}
}
