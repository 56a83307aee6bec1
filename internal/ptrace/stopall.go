package ptrace

import (
	"errors"
	"syscall"
	"time"

	"ckpt/internal/sys"
)

// StopAll stops threads as Stop does, all at the same time: together they take
// hardly longer than one. Those that have died meanwhile are told by Gone, and
// are no error. It is a *TimeoutError for the first thread that does not stop
// in time; others may stand then.
func StopAll(threads []*Thread, timeout time.Duration) error {
	var running, standing []*Thread
	for _, t := range threads {
		switch {
		case t.gone != nil:
		case t.stopped:
			standing = append(standing, t)
		default:
			running = append(running, t)
		}
	}
	running = append(running, moving(standing)...)
	if err := interrupt(running); err != nil {
		return err
	}
	now := time.Now()
	deadline, spinUntil, sleep := now.Add(timeout), now.Add(spinTime), firstSleep
	for {
		before, died := len(running), false
		var still []*Thread
		for _, t := range running {
			done, err := t.settle()
			if err != nil {
				return err
			}
			if !done {
				still = append(still, t)
			} else if t.stopped {
				standing = append(standing, t)
			} else {
				died = true
			}
		}
		running = still
		if died {
			more := moving(standing)
			if err := interrupt(more); err != nil {
				return err
			}
			running = append(running, more...)
		}
		if len(running) == 0 {
			return nil
		}
		if now = time.Now(); len(running) < before {
			spinUntil, sleep = now.Add(spinTime), firstSleep
		}
		if now.Before(spinUntil) {
			continue
		}
		if now.After(deadline) {
			return newTimeoutError(running[0].tid)
		}
		if sleep == lastSleep {
			if err := passDead(running, standing); err != nil {
				return err
			}
		}
		sys.SleepThread(sleep)
		sleep = min(2*sleep, lastSleep)
	}
}

// Gone reports whether the thread was seen to have died.
func (t *Thread) Gone() bool { return t.gone != nil }

// settle looks once whether an interrupted thread stands, or has died, and
// hands on a signal that was on its way before the interrupt: the kernel keeps
// its siginfo as long as the number is the same.
func (t *Thread) settle() (done bool, err error) {
	if t.gone != nil {
		return true, nil
	}
	s, changed, err := t.look()
	switch {
	case t.gone != nil:
		return true, nil
	case err != nil || !changed:
		return false, err
	case s.kind == stopEvent:
		return true, nil
	}
	if err := t.resume(sys.PtraceCont, s.signal); err != nil && t.gone == nil {
		return false, err
	}
	return t.gone != nil, nil
}

func interrupt(threads []*Thread) error {
	for _, t := range threads {
		err := t.request(sys.PtraceInterrupt(t.tid))
		if errors.Is(err, syscall.ESRCH) {
			_ = t.die(0) // whoever has its number now is not traced
		} else if err != nil && t.gone == nil {
			return err
		}
	}
	return nil
}

// moving lists those threads that should stand and do not: after execve(2) its
// caller has the number of the leader, which stood.
func moving(standing []*Thread) (moving []*Thread) {
	for _, t := range standing {
		if _, err := sys.PtraceSigMask(t.tid); errors.Is(err, syscall.ESRCH) && t.stopped {
			t.stopped = false
			moving = append(moving, t)
		}
	}
	return moving
}

// passDead looks for two kinds of threads for which others would wait in vain.
// A leader that has exited before its threads shows neither a stop nor its end,
// until the last of them has gone. And a thread in execve(2) waits until all
// others have died, those that stand already too, and a traced one has died
// only when its tracer has heard of it.
func passDead(running, standing []*Thread) error {
	for _, t := range running {
		if readState(t.tid) == "Z" {
			_ = t.die(0)
		}
	}
	for _, t := range standing {
		if _, _, err := t.look(); err != nil && t.gone == nil {
			return err
		}
	}
	return nil
}
