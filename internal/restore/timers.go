package restore

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// maxTimerID bounds the search for a timer's id on kernels that can not be
// told which one to use.
const maxTimerID = 4096

// posixTimers are those of the process by their ids. The kernel lists the newest
// one first.
func (w *writer) posixTimers() []image.POSIXTimer {
	return slices.SortedFunc(slices.Values(w.m.process.Timers.POSIX), func(a, b image.POSIXTimer) int { return cmp.Compare(a.ID, b.ID) })
}

// makeTimers makes the process's timers again.
func (w *writer) makeTimers() error {
	posix := w.posixTimers()
	id := w.b.Reserve(8)
	// Since 6.15 a timer can be made with the id it had. Before, ids count up.
	byID := len(posix) > 0 && kernelRestoresTimerIDs()
	restoreIDs := func(what string, on uint64) {
		if byID {
			w.b.Call(what, abi.SysPrctl, plan.Imm(abi.PrTimerRestoreIDs), plan.Imm(on))
		}
	}
	restoreIDs("ask for timers by id", abi.PrTimerRestoreOn)
	next := 0
	for _, t := range posix {
		if !byID {
			if t.ID > maxTimerID {
				return &HostError{Reason: fmt.Sprintf("timer %d has a number too high for this kernel", t.ID), Advice: "Linux 6.15 can restore it"}
			}
			for ; next < t.ID; next++ {
				w.skipTimer(id, next)
			}
		}
		w.makeTimer(t, id)
		next = t.ID + 1
	}
	restoreIDs("no longer ask for timers by id", abi.PrTimerRestoreOff)
	return nil
}

// startTimers starts the timers with the time they had left. This comes last:
// from here on time counts.
func (w *writer) startTimers() {
	for _, t := range w.posixTimers() {
		if t.Value != 0 || t.Interval != 0 {
			w.b.Call(fmt.Sprintf("start timer %d", t.ID), abi.SysTimerSettime, plan.Imm(uint64(t.ID)), plan.Imm(0),
				w.b.Data(words(uint64(t.Interval/1e9), uint64(t.Interval%1e9), uint64(t.Value/1e9), uint64(t.Value%1e9))), plan.Imm(0))
		}
	}
	for which, t := range w.m.process.Timers.Interval {
		if t.Value == 0 && t.Interval != 0 {
			// It has fired, and starts again when its signal is delivered,
			// which is pending (kernel/signal.c, dequeue_signal). Firing once
			// more at once makes no second signal.
			t.Value = 1
		}
		if t.Value != 0 {
			w.b.Call("start the interval timer", abi.SysSetitimer, plan.Imm(uint64(which)),
				w.b.Data(words(uint64(t.Interval/1e6), uint64(t.Interval%1e6), uint64(t.Value/1e6), uint64(t.Value%1e6))), plan.Imm(0))
		}
	}
}

// makeTimer makes a timer, which must get its saved id.
func (w *writer) makeTimer(t image.POSIXTimer, id plan.Arg) {
	const threadID = 4 // SIGEV_THREAD_ID
	event := make([]byte, 64)
	binary.LittleEndian.PutUint64(event, t.SigValue)
	binary.LittleEndian.PutUint32(event[8:], uint32(t.Signal))
	binary.LittleEndian.PutUint32(event[12:], uint32(t.Notify))
	if t.Notify&threadID != 0 {
		binary.LittleEndian.PutUint32(event[16:], uint32(w.keptID(t.TID)))
	}
	w.b.Copy("ask for the timer's id", id, w.b.Data(words(uint64(t.ID))), plan.Imm(8))
	what := fmt.Sprintf("make timer %d", t.ID)
	sigevent := w.b.AlignedData(event, 8)
	if word, ok := w.newID(t.TID); ok && t.Notify&threadID != 0 {
		target := sigevent
		target.Imm += 16
		w.b.Copy("ask for the id of the timer's thread", target, word, plan.Imm(4))
	}
	w.b.Call(what, abi.SysTimerCreate, plan.Imm(uint64(t.Clock)), sigevent, id)
	w.b.Poke32If(what+" with its id", id, plan.Imm(uint64(t.ID)), plan.Imm(0)).Want(plan.Imm(1))
}

// skipTimer makes and deletes a timer, so that the next one gets a higher id.
func (w *writer) skipTimer(id plan.Arg, n int) {
	const none = 1 // SIGEV_NONE
	event := make([]byte, 64)
	binary.LittleEndian.PutUint32(event[12:], none)
	what := fmt.Sprintf("skip timer %d", n)
	w.b.Call(what, abi.SysTimerCreate, plan.Imm(abi.ClockMonotonic), w.b.Data(event), id)
	w.b.Poke32If(what+" with its id", id, plan.Imm(uint64(n)), plan.Imm(0)).Want(plan.Imm(1))
	w.b.Call(what, abi.SysTimerDelete, plan.Imm(uint64(n)))
}
