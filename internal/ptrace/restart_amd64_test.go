package ptrace

import (
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ckpt/internal/abi"
)

func TestRestartRegs(t *testing.T) {
	t.Parallel()
	const none = ^uint64(0)
	stopped := func(nr uint64, rax int64) abi.Regs {
		return abi.Regs{Rip: 0x1002, OrigRax: nr, Rax: uint64(rax), Rdi: 1, Rsi: 2, Rdx: 3, R10: 4, Rsp: 5}
	}
	// What becomes of it, as changes to the registers.
	leave := func(r *abi.Regs) { r.OrigRax = none }
	again := func(r *abi.Regs) { r.Rax, r.OrigRax, r.Rip = r.OrigRax, none, 0x1000 }
	fails := func(r *abi.Regs) { r.Rax, r.OrigRax = none-3, none } // -EINTR
	kernel := func(r *abi.Regs) { r.Rax = none - 513 }             // -514: it restarts the call
	same := func(*abi.Regs) {}
	clear := func(p func(*abi.Regs) *uint64) func(*abi.Regs) { return func(r *abi.Regs) { *p(r) = 0 } }
	rsi := func(r *abi.Regs) *uint64 { return &r.Rsi }
	r10 := func(r *abi.Regs) *uint64 { return &r.R10 }
	eintr := -int64(syscall.EINTR)

	for _, c := range []struct {
		name           string
		nr             uint64
		rax            int64
		h              Handler
		before         func(*abi.Regs)
		image, running func(*abi.Regs)
		rest           bool // of a sleep
	}{
		{"not in a call", none, -512, NoHandler, same, leave, same, false},
		{"finished", abi.SysRead, 17, NoHandler, same, leave, same, false},
		{"failed", abi.SysRead, -int64(syscall.EIO), NoHandler, same, leave, same, false},
		{"read", abi.SysRead, -512, NoHandler, same, again, same, false},
		{"read, SA_RESTART", abi.SysRead, -512, RestartingHandler, same, again, same, false},
		{"read, handler", abi.SysRead, -512, InterruptHandler, same, fails, same, false},
		{"clone", abi.SysClone, -513, InterruptHandler, same, again, same, false},
		{"pause", abi.SysPause, -514, NoHandler, same, again, same, false},
		{"pause, SA_RESTART", abi.SysPause, -514, RestartingHandler, same, fails, same, false},
		{"poll", abi.SysPoll, -516, NoHandler, same, again, same, false},
		{"poll, SA_RESTART", abi.SysPoll, -516, RestartingHandler, same, fails, same, false},
		{"nanosleep", abi.SysNanosleep, -516, NoHandler, same, again, same, true},
		{"nanosleep without remainder", abi.SysNanosleep, -516, NoHandler, clear(rsi), again, same, false},
		{"clock_nanosleep", abi.SysClockNanosleep, -516, NoHandler, same, again, same, true},
		{"clock_nanosleep without remainder", abi.SysClockNanosleep, -516, NoHandler, clear(r10), again, same, false},
		{"nanosleep, handler", abi.SysNanosleep, -516, InterruptHandler, same, fails, same, false},
		{"nanosleep done", abi.SysNanosleep, 0, NoHandler, same, leave, same, false},
		{"clock_nanosleep absolute", abi.SysClockNanosleep, -514, NoHandler, same, again, same, false},
		{"epoll_wait", abi.SysEpollWait, eintr, NoHandler, same, again, kernel, false},
		{"epoll_wait, handler", abi.SysEpollWait, eintr, RestartingHandler, same, leave, same, false},
		{"semtimedop", abi.SysSemtimedop, eintr, NoHandler, same, again, kernel, false},
		{"close", abi.SysClose, eintr, NoHandler, same, leave, same, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := stopped(c.nr, c.rax)
			c.before(&r)
			image, running := RestartRegs(r, c.h)
			wantImage, wantRunning := r, r
			c.image(&wantImage)
			c.running(&wantRunning)
			if d := cmp.Diff(wantImage, image); d != "" {
				t.Errorf("image (-want +got):\n%s", d)
			}
			if d := cmp.Diff(wantRunning, running); d != "" {
				t.Errorf("running (-want +got):\n%s", d)
			}
			if got := RestOfSleep(r, image); got != c.rest {
				t.Errorf("rest of a sleep: %t, want %t", got, c.rest)
			}
		})
	}
}
