package ptrace

import (
	"cmp"
	"errors"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// stopKind tells the stops of ptrace(2) apart.
type stopKind int

const (
	stopSignal  stopKind = iota // a signal is about to be delivered
	stopSyscall                 // entry to or exit from a system call
	stopEvent                   // PTRACE_EVENT_STOP: interrupt, group stop, or a new thread's first
	stopOther                   // any other PTRACE_EVENT
)

// stop is one stop of a traced thread. The signal is what the thread has to be
// resumed with, and 0 unless the kind is stopSignal.
type stop struct {
	kind   stopKind
	signal syscall.Signal
}

// Waiting starts by spinning, since most stops take 10 to 50 microseconds, as
// long as the shortest sleep, and then sleeps longer and longer.
const (
	spinTime   = 100 * time.Microsecond
	firstSleep = 10 * time.Microsecond
	lastSleep  = 2 * time.Millisecond
	// A look at the state of a thread costs more than all else while it waits,
	// just where all wait for a processor, or for their turn.
	firstLook = 10 * time.Millisecond
	lastLook  = 50 * time.Millisecond
)

// wait waits for the next stop of the thread.
func (t *Thread) wait(deadline time.Time) (stop, error) {
	if t.gone != nil {
		return stop{}, t.gone
	}
	sleep, longest := firstSleep, cmp.Or(t.poll, lastSleep)
	begin := time.Now()
	nextLook, pause := begin.Add(firstLook), firstLook // at its state
	for {
		if s, ok, err := t.look(); ok || err != nil {
			t.turn.moved()
			return s, err
		}
		passed := t.turn.Pass()
		now := time.Now()
		if now.Sub(begin) < spinTime {
			continue
		}
		if now.After(deadline) {
			return stop{}, newTimeoutError(t.tid)
		}
		// A leader that has exited before its threads shows neither a stop nor
		// its end, until the last of them has gone.
		if now.After(nextLook) {
			if readState(t.tid) == "Z" {
				// One that has ended since the last look has to be taken note of:
				// until then its own parent waits for it in vain.
				st, _, _ := sys.WaitThread(t.tid)
				return stop{}, t.die(st)
			}
			pause = min(2*pause, lastLook)
			nextLook = now.Add(pause)
		}
		if !passed {
			sys.SleepThread(sleep)
			sleep = min(2*sleep, longest)
		}
	}
}

// look looks once for the next stop of the thread; ok is false if it has not
// come yet.
func (t *Thread) look() (s stop, ok bool, err error) {
	st, changed, err := sys.WaitThread(t.tid)
	switch {
	case errors.Is(err, syscall.ECHILD):
		return s, false, t.die(0)
	case err != nil:
		return s, false, err
	case changed && (st.Exited() || st.Signaled()):
		return s, false, t.die(st)
	case changed && st.Stopped():
		return t.note(st), true, nil
	}
	return s, false, nil
}

// note keeps what a stop says about the thread and classifies it.
func (t *Thread) note(st syscall.WaitStatus) stop {
	t.stopped = true
	sig, event := st.StopSignal(), int(st)>>16
	switch {
	case event == abi.PtraceEventStop:
		// For a seized thread the signal is SIGTRAP unless the process is
		// group-stopped (do_jobctl_trap in kernel/signal.c).
		t.group = sig != syscall.SIGTRAP
		return stop{kind: stopEvent}
	case event != 0:
		return stop{kind: stopOther}
	case sig == syscall.SIGTRAP|abi.PtraceSyscallStopFlag:
		return stop{kind: stopSyscall}
	}
	return stop{kind: stopSignal, signal: sig}
}

func (t *Thread) die(st syscall.WaitStatus) error {
	t.stopped = false
	t.gone = &GoneError{Tid: t.tid, Status: st}
	return t.gone
}
