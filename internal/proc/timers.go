package proc

import "bytes"

// Timer is a timer of timer_create(2). When it fires is not told here.
type Timer struct {
	ID       int
	Signal   int
	SigValue uint64 // sigev_value, handed to the handler
	Notify   int    // SIGEV_SIGNAL 0, SIGEV_NONE 1, SIGEV_THREAD 2; SIGEV_THREAD_ID 4 in addition
	Target   int    // the thread if ThreadDirected, else the process; 0 if it is gone
	Clock    int    // clockid_t; negative for CPU clocks of others
}

// ThreadDirected reports whether the signal goes to one thread.
func (t *Timer) ThreadDirected() bool { return t.Notify&sigevThreadID != 0 }

// What Timer.Notify can be (include/uapi/asm-generic/siginfo.h).
const (
	sigevNone     = 1
	sigevThread   = 2
	sigevThreadID = 4
)

// Timers reads /proc/PID/timers. It is missing (fs.ErrNotExist) where the
// kernel has no CONFIG_CHECKPOINT_RESTORE.
func (p Process) Timers() ([]Timer, error) {
	return parseFile(p.dir, "timers", maxList, parseTimers)
}

// parseTimers reads four lines per timer (show_timer in fs/proc/base.c).
func parseTimers(l *lines) ([]Timer, error) {
	var list []Timer
	for l.next() {
		var t Timer
		for i, field := range timerFields {
			if i > 0 && !l.next() {
				return nil, l.errorf("timer has no %q", field.key)
			}
			value, ok := bytes.CutPrefix(l.text, []byte(field.key))
			if !ok || !field.set(&t, value) {
				return nil, l.bad("timer")
			}
		}
		list = append(list, t)
	}
	return list, nil
}

var timerFields = []struct {
	key string
	set func(*Timer, []byte) bool
}{
	{"ID: ", func(t *Timer, b []byte) bool { return count(&t.ID, b) }},
	{"signal: ", func(t *Timer, b []byte) bool {
		signal, value, _ := cut(b, '/')
		return signed(&t.Signal, signal) && unsigned(&t.SigValue, value, 16)
	}},
	{"notify: ", func(t *Timer, b []byte) bool { return t.setNotify(b) }},
	{"ClockID: ", func(t *Timer, b []byte) bool { return signed(&t.Clock, b) }},
}

// setNotify reads "signal/tid.2634".
func (t *Timer) setNotify(b []byte) bool {
	how, whom, _ := cut(b, '/')
	switch string(how) {
	case "signal":
	case "none":
		t.Notify = sigevNone
	case "thread":
		t.Notify = sigevThread
	default:
		return false
	}
	what, id, _ := cut(whom, '.')
	if string(what) == "tid" {
		t.Notify |= sigevThreadID
	} else if string(what) != "pid" {
		return false
	}
	return count(&t.Target, id)
}
