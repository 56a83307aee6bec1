package ptrace_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
)

// TestNoCallNoticesStops stops a waiting program again and again, on every
// other time with an injected call, and demands that its call ends as if it
// had been alone.
func TestNoCallNoticesStops(t *testing.T) {
	t.Parallel()
	const (
		wait  = 400 // ms, in waiter.c
		slack = 150 // ms for a busy machine
	)
	for _, c := range []struct {
		call     string
		want     string
		restarts bool // from the beginning, because the kernel keeps no deadline
	}{
		{"nanosleep", "0 0", false},
		{"nanosleep-null", "0 0", false},
		{"clock_nanosleep", "0 0", false},
		{"clock_nanosleep-abs", "0 0", false},
		{"poll", "0 0", false},
		{"ppoll", "0 0", false},
		{"select", "0 0", false},
		{"futex", fmt.Sprint("-1 ", int(syscall.ETIMEDOUT)), false},
		{"epoll_wait", "0 0", true},
		{"sigtimedwait", fmt.Sprint("-1 ", int(syscall.EAGAIN)), true},
		{"recv", fmt.Sprint("-1 ", int(syscall.EAGAIN)), true},
		{"semtimedop", fmt.Sprint("-1 ", int(syscall.EAGAIN)), true},
	} {
		t.Run(c.call, func(t *testing.T) {
			t.Parallel()
			locked(t)
			g := start(t, build(t, "waiter"), c.call)
			if l := g.line(); l != "ready" {
				t.Fatalf("waiter said %q", l)
			}
			waitFor(t, "the call", func() bool { return state(g.pid) == "S" })
			o, _ := g.options()
			began := time.Now()
			for i := range 50 {
				th := g.stopped()
				r, err := th.Regs()
				if err != nil {
					t.Fatal(err)
				}
				if _, running := ptrace.RestartRegs(r, ptrace.NoHandler); running != r {
					if !c.restarts {
						t.Errorf("the target's own registers change: %+v", r)
					}
					if err := th.SetRegs(running); err != nil {
						t.Fatal(err)
					}
				}
				if i%2 == 1 {
					inject(t, th, o, func(in *ptrace.Injector) {
						if v, err := in.Call(abi.SysGetpid); err != nil || int(v) != g.pid {
							t.Errorf("getpid = %d, %v", v, err)
						}
					})
				}
				g.detach(th)
				time.Sleep(3 * time.Millisecond)
			}
			disturbed := time.Since(began).Milliseconds()
			l := g.line()
			var took int64
			result := l[:strings.LastIndex(l, " ")]
			if _, err := fmt.Sscan(l[len(result):], &took); err != nil {
				t.Fatalf("waiter said %q: %v", l, err)
			}
			limit := int64(wait + slack)
			if c.restarts {
				limit += disturbed
			} else if disturbed > wait {
				t.Logf("disturbed for %d ms, which is longer than the call", disturbed)
			}
			if result != c.want || took < wait || took > limit {
				t.Errorf("result, errno and ms: %s; want %s and %d to %d ms", l, c.want, wait, limit)
			}
		})
	}
}

// inject runs f with an injector and closes it.
func inject(t testing.TB, th *ptrace.Thread, o ptrace.Options, f func(*ptrace.Injector)) {
	t.Helper()
	in, err := ptrace.Inject(th, o)
	if err != nil {
		t.Fatal(err)
	}
	f(in)
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
}
