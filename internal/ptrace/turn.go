package ptrace

import (
	"iter"
	"time"

	"ckpt/internal/sys"
)

// Turn lets a task wait for a stop of one of its threads while other tasks on the
// same OS thread go on. See Interleave.
type Turn struct {
	yield func(struct{}) bool // nil: there are no others
	moves int                 // stops that it has seen
	next  func() (struct{}, bool)
	stop  func()
}

// Pass lets the others go on, and tells whether there are any.
func (t *Turn) Pass() bool {
	if t == nil || t.yield == nil {
		return false
	}
	if !t.yield(struct{}{}) {
		t.yield = nil // the others are given up: it ends alone
	}
	return true
}

// moved notes that the task has found what it waited for.
func (t *Turn) moved() {
	if t != nil {
		t.moves++
	}
}

// TakeTurns makes waiting for the thread, and for what comes of it, a Pass of
// that turn, as long as its task lasts.
func (t *Thread) TakeTurns(turn *Turn) { t.turn = turn }

// Interleave runs tasks on the calling OS thread, as many of them at once, one
// going on where another one waits: most of the time of a ptrace request is
// spent waiting until the thread gets a processor.
func Interleave(atOnce int, tasks []func(*Turn)) {
	var active []*Turn
	defer func() { // of a panic
		for _, t := range active {
			t.stop()
		}
	}()
	last, sleep := time.Now(), firstSleep // since one of them moved
	for len(tasks)+len(active) > 0 {
		for len(tasks) > 0 && len(active) < atOnce {
			active, tasks = append(active, newTurn(tasks[0])), tasks[1:]
		}
		still := active[:0:0]
		moved := false
		for _, t := range active {
			before := t.moves
			_, more := t.next()
			if more {
				still = append(still, t)
			}
			moved = moved || !more || t.moves > before
		}
		active = still
		if now := time.Now(); moved {
			last, sleep = now, firstSleep
		} else if now.Sub(last) > spinTime {
			sys.SleepThread(sleep)
			sleep = min(2*sleep, lastSleep)
		}
	}
}

func newTurn(task func(*Turn)) *Turn {
	t := &Turn{}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		task(t)
		t.yield = nil
	})
	return t
}
