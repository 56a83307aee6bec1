package proc

import "bytes"

// Timer is a timer of timer_create(2). When it fires is not told here.
type Timer struct {
	ID       int
	Signal   int
	SigValue uint64
	Notify   int // SIGEV_SIGNAL 0, SIGEV_NONE 1, SIGEV_THREAD 2, with ThreadID 4
	Target   int // the thread with ThreadID, else the process
	Clock    int // clockid_t; negative for CPU clocks of others
}

// ThreadID is SIGEV_THREAD_ID, a bit of Timer.Notify.
const ThreadID = 4

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
		t.Notify = 1
	case "thread":
		t.Notify = 2
	default:
		return false
	}
	what, id, _ := cut(whom, '.')
	if string(what) == "tid" {
		t.Notify |= ThreadID
	} else if string(what) != "pid" {
		return false
	}
	return count(&t.Target, id)
}
