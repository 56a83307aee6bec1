package restore

import (
	"testing"
	"time"

	"ckpt/internal/sys"
)

// TestClockJump: on another boot the offsets make the clocks go on where they
// were; on the same one nothing is done.
func TestClockJump(t *testing.T) {
	t.Parallel()
	clock := func(c int32) int64 {
		n, err := sys.ClockNow(c)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	p := prepared(t, sample(t))
	own, err := p.host.fs.Process(p.host.status.Tgid).TimeOffsets()
	if err != nil {
		t.Fatal(err)
	}
	saved := &p.m.Host.Clocks
	saved.MonotonicOffset, saved.BoottimeOffset = own.Monotonic, own.Boottime
	saved.Monotonic, saved.Boottime = 1, 2
	if jump, offsets, err := p.clockJump(); jump != 0 || offsets != own || err != nil {
		t.Errorf("on the same boot: %v %v %v", jump, offsets, err)
	}
	for _, ahead := range []time.Duration{0, 500_000 * time.Second, -500_000 * time.Second, 3*time.Second + 1, -1} {
		for name, change := range map[string]func(){
			"another boot": func() { p.m.Host.BootID = "another" },
			"another namespace": func() {
				p.m.Host.BootID = p.host.bootID
				saved.MonotonicOffset++
			},
		} {
			change()
			saved.Monotonic = clock(sys.ClockMonotonic) + int64(ahead)
			saved.Boottime = clock(sys.ClockBoottime) + int64(2*ahead)
			before := time.Now()
			jump, want, err := p.clockJump()
			slack := time.Since(before) + time.Millisecond
			if err != nil {
				t.Fatal(err)
			}
			// The clocks have gone on a little since they were read.
			for what, late := range map[string]time.Duration{
				"monotonic": ahead - time.Duration(want.Monotonic-own.Monotonic),
				"boottime":  2*ahead - time.Duration(want.Boottime-own.Boottime),
				"jump":      ahead + jump,
			} {
				if late < 0 || late > slack+time.Second {
					t.Errorf("%s, %v ahead: %s is %v off", name, ahead, what, late)
				}
			}
		}
	}
}
