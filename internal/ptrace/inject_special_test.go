package ptrace_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
)

// TestInjectRseq stops a thread in a restartable sequence, which has to be
// aborted as soon as anything was injected.
func TestInjectRseq(t *testing.T) {
	t.Parallel()
	locked(t)
	g := start(t, build(t, "rseq"))
	var at, length, abort uint64
	if _, err := fmt.Sscan(g.line(), &at, &length, &abort); err != nil {
		t.Fatal(err)
	}
	caught := 0
	waitFor(t, "stops inside the sequence", func() bool {
		th := g.stopped()
		defer g.detach(th)
		before, err := th.Regs()
		if err != nil || before.Rip-at >= length {
			return err != nil
		}
		caught++
		o, _ := g.options()
		inject(t, th, o, func(in *ptrace.Injector) {
			if _, err := in.Call(abi.SysGetpid); err != nil {
				t.Error(err)
			}
		})
		after, err := th.Regs()
		before.Rip = abort
		if d := cmp.Diff(before, after); d != "" || err != nil {
			t.Errorf("%v, registers (-want +got):\n%s", err, d)
		}
		return caught == 5
	})
	if caught == 0 {
		t.Error("never stopped inside the sequence")
	}
}

// TestInjectSeccomp injects a call for which a filter kills.
func TestInjectSeccomp(t *testing.T) {
	t.Parallel()
	locked(t)
	g := start(t, build(t, "waiter"), "seccomp")
	waitFor(t, "filter", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.pid))
		return strings.Contains(string(b), "Seccomp:\t2") && state(g.pid) == "S"
	})
	th := g.stopped()
	err := th.SuspendSeccomp()
	if os.Getuid() != 0 {
		if !errors.Is(err, syscall.EPERM) {
			t.Errorf("SuspendSeccomp as a user: %v, want EPERM", err)
		}
		g.detach(th)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	o, _ := g.options()
	inject(t, th, o, func(in *ptrace.Injector) {
		if v, err := in.Call(abi.SysGetuid); err != nil || v != 0 {
			t.Errorf("getuid = %d, %v", v, err)
		}
	})
	g.detach(th)
	g.line() // ready
	if l := g.line(); !strings.HasPrefix(l, "0 0 ") {
		t.Errorf("waiter said %q", l)
	}
}
