package kind

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ckpt/internal/plan"
	"ckpt/internal/proc"
)

func (w *world) timer(clock, flags int, value, interval time.Duration) int {
	w.t.Helper()
	fd := w.keep(unix.TimerfdCreate(clock, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK))
	spec := &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(value)), Interval: unix.NsecToTimespec(int64(interval))}
	if err := unix.TimerfdSettime(fd, flags, spec, nil); err != nil {
		w.t.Fatal(err)
	}
	return fd
}

func (w *world) timerInfo(fd int) proc.TimerFD { return *w.desc(fd).Info.TimerFD }

// expired waits until the timer is readable.
func expired(t *testing.T, fd int) {
	t.Helper()
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(p, 10_000); n != 1 || err != nil {
		t.Fatalf("poll: %d, %v", n, err)
	}
}

func TestTimerfdKeepsTimeLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.timer(unix.CLOCK_MONOTONIC, 0, time.Hour, time.Minute)
	boot := w.timer(unix.CLOCK_BOOTTIME, 0, 2*time.Hour, 0)
	off := w.timer(unix.CLOCK_MONOTONIC, 0, 0, 0)
	w.save(fd, boot, off)
	w.restore()
	got := w.timerInfo(fd)
	if left := time.Duration(got.Value); left > time.Hour || left < time.Hour-time.Minute {
		t.Errorf("%v left of an hour", left)
	}
	if got.Interval != int64(time.Minute) || got.Clock != unix.CLOCK_MONOTONIC || got.Ticks != 0 {
		t.Errorf("%+v", got)
	}
	if got := w.timerInfo(boot); got.Clock != unix.CLOCK_BOOTTIME || got.Value == 0 || got.Interval != 0 {
		t.Errorf("%+v", got)
	}
	if got := w.timerInfo(off); got.Value != 0 {
		t.Errorf("the disarmed one: %+v", got)
	}
	if flagsOf(t, fd)&unix.O_NONBLOCK == 0 {
		t.Error("it has lost O_NONBLOCK")
	}
}

func TestTimerfdKeepsTicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	once := w.timer(unix.CLOCK_MONOTONIC, 0, time.Nanosecond, 0)
	periodic := w.timer(unix.CLOCK_MONOTONIC, 0, time.Nanosecond, time.Hour)
	expired(t, once)
	expired(t, periodic)
	if v := w.timerInfo(periodic).Value; v != 0 {
		t.Fatalf("this kernel lets an expired timer go on (%d)", v)
	}
	w.save(once, periodic)
	w.restore()
	if got := readCount(t, once); got != 1 {
		t.Errorf("%d ticks", got)
	}
	if got := w.timerInfo(periodic); got.Ticks != 1 || got.Value == 0 || got.Interval != int64(time.Hour) {
		t.Errorf("periodic: %+v", got)
	}
	if got := readCount(t, periodic); got != 1 {
		t.Errorf("periodic: %d ticks", got)
	}
}

func TestTimerfdOnTheWallClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	deadline := time.Now().Add(time.Hour).UnixNano()
	fd := w.timer(unix.CLOCK_REALTIME, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, time.Duration(deadline), 0)
	w.save(fd)
	det, err := detail[timerfdDetail](&w.Manifest.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	if off := time.Duration(det.Deadline - deadline).Abs(); off > time.Second || !det.CancelOnSet {
		t.Errorf("deadline %v off, %+v", off, det)
	}
	w.restore()
	got := w.timerInfo(fd)
	if got.SettimeFlags != unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET {
		t.Errorf("flags %#o", got.SettimeFlags)
	}
	if left := time.Duration(got.Value); left > time.Hour || left < time.Hour-time.Minute {
		t.Errorf("%v left", left)
	}
}

// Without TFD_IOC_SET_TICKS a timer that has ticks is readable all the same.
func TestTimerfdWithoutSettableTicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.timer(unix.CLOCK_MONOTONIC, 0, 0, 0)
	b := plan.NewBuilder()
	armTimer(b, fd, "fd", timerfdDetail{Clock: unix.CLOCK_MONOTONIC, Ticks: 5, Left: 1e9, Interval: int64(time.Hour)}, false)
	if err := w.run(b); err != nil {
		t.Fatal(err)
	}
	expired(t, fd)
	if got := readCount(t, fd); got != 1 {
		t.Errorf("%d ticks", got)
	}
}

func TestTimerfdNegativeTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.save(w.timer(unix.CLOCK_MONOTONIC, 0, time.Hour, 0))
	if err := setDetail(&w.Manifest.Files[0], timerfdDetail{Clock: 1, Left: -1}); err != nil {
		t.Fatal(err)
	}
	if err := w.tryRestore(); err == nil {
		t.Error("restored")
	}
}
