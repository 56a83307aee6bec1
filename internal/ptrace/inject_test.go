package ptrace_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
)

// programsUnderTest are ways to build and run the worker.
var programsUnderTest = []struct {
	name, mode string
	flags      []string
}{
	{"pie", "main", []string{"-pie", "-fPIE"}},
	{"static", "main", []string{"-static"}},
	{"no-pie", "sleep", []string{"-no-pie"}},
	{"static-pie", "main", []string{"-static-pie", "-fPIE"}},
	{"ucontext", "ucontext", nil},
	{"thread", "thread", nil},
}

// snapshot is everything of a stopped thread that injection must not change.
type snapshot struct {
	Regs   abi.Regs
	Mask   uint64
	XState []byte
	Stack  [32]byte // hash
	Maps   string
	FDs    int
}

func (g *target) snapshot(th *ptrace.Thread, stack ptrace.Range) snapshot {
	g.t.Helper()
	var s snapshot
	var errs [3]error
	s.Regs, errs[0] = th.Regs()
	s.Mask, errs[1] = th.SigMask()
	s.XState, errs[2] = th.XState()
	if err := errors.Join(errs[:]...); err != nil {
		g.t.Fatal(err)
	}
	// XSTATE_BV: the processor may notice at any time that a component has its
	// initial value. The value itself stands in the note all the same.
	clear(s.XState[512:520])
	b := make([]byte, stack.End-stack.Start)
	o, _ := g.options()
	if _, err := o.Mem.ReadAt(b, int64(stack.Start)); err != nil {
		g.t.Fatal(err)
	}
	s.Stack = sha256.Sum256(b)
	maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", g.pid))
	s.Maps = string(maps)
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.pid))
	s.FDs = len(fds)
	return s
}

func TestInject(t *testing.T) {
	t.Parallel()
	for _, p := range programsUnderTest {
		for _, own := range []string{"stack", "mapping"} {
			t.Run(p.name+"-"+own, func(t *testing.T) {
				t.Parallel()
				testInject(t, worker(t, build(t, "worker", p.flags...), p.mode), own == "stack")
			})
		}
	}
	t.Run("go", func(t *testing.T) {
		t.Parallel()
		testInject(t, worker(t, "/proc/self/exe", "go-worker"), true)
	})
}

func testInject(t *testing.T, g *target, useStack bool) {
	locked(t)
	for round := range 5 {
		all := g.stopAll()
		th := all[g.tid]
		o, _ := g.options()
		if round%2 == 1 {
			o.Ignored = 0 // queries are calls then
		}
		stack := o.Stack
		if !useStack {
			o.Stack = ptrace.Range{}
		}
		before := g.snapshot(th, stack)
		inject(t, th, o, func(in *ptrace.Injector) {
			if !in.SelfCuring() {
				t.Error("injection does not cure itself")
			}
			queries(t, in, g.pid, before.Regs.Rsp)
		})
		if d := cmp.Diff(before, g.snapshot(th, stack)); d != "" {
			t.Errorf("changed by injection (-before +after):\n%s", d)
		}
		for _, th := range all {
			g.detach(th)
		}
		g.works(2)
	}
}

// queries asks the target what only it can tell.
func queries(t *testing.T, in *ptrace.Injector, pid int, sp uint64) {
	t.Helper()
	call := func(nr uint64, args ...uint64) uint64 {
		t.Helper()
		v, err := in.Call(nr, args...)
		if err != nil {
			t.Fatalf("call %d: %v", nr, err)
		}
		return v
	}
	scratch, size := in.Scratch()
	if size < 1024 || scratch < sp && scratch+uint64(size) > sp-128 {
		t.Errorf("scratch memory of %d bytes at %#x with rsp %#x", size, scratch, sp)
	}
	if v := call(abi.SysGetpid); int(v) != pid {
		t.Errorf("getpid = %d, want %d", v, pid)
	}

	call(abi.SysSigaltstack, 0, scratch)
	var ss [24]byte
	if err := in.ReadScratch(0, ss[:]); err != nil {
		t.Fatal(err)
	}
	if at, n := binary.LittleEndian.Uint64(ss[:]), binary.LittleEndian.Uint64(ss[16:]); at != 0 && n < 2048 {
		t.Errorf("sigaltstack: %d bytes at %#x", n, at)
	}

	if err := in.WriteScratch(512, bytes.Repeat([]byte{0xee}, abi.SigActionSize)); err != nil {
		t.Fatal(err)
	}
	call(abi.SysRtSigaction, uint64(syscall.SIGUSR2), 0, scratch+512, 8)
	var sa [abi.SigActionSize]byte
	if err := in.ReadScratch(512, sa[:]); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sa[:], []byte{0xee, 0xee}) {
		t.Errorf("rt_sigaction left % x", sa)
	}

	if err := ask(in, 70); err != nil { // more than one chain
		t.Error(err)
	}
	if _, err := in.Call(abi.SysClose, ^uint64(0)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("close(-1): %v, want EBADF", err)
	}
	if err := in.WriteScratch(size-1, []byte{1, 2}); err == nil {
		t.Error("a write beyond the scratch memory passes")
	}
}

// TestInjectKilled demands ErrGone when the target dies during a call.
func TestInjectKilled(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "main")
	th := g.stopped()
	o, _ := g.options()
	in, err := ptrace.Inject(th, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = in.Call(abi.SysKill, uint64(g.pid), uint64(syscall.SIGKILL))
	if !errors.Is(err, ptrace.ErrGone) {
		t.Errorf("kill of itself: %v, want ErrGone", err)
	}
	if err := in.Close(); !errors.Is(err, ptrace.ErrGone) {
		t.Errorf("Close: %v, want ErrGone", err)
	}
	if err := th.Detach(); err != nil {
		t.Errorf("Detach: %v", err)
	}
}

// TestInjectTimeout injects a call that never returns.
func TestInjectTimeout(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "main")
	th := g.stopped()
	o, _ := g.options()
	o.Timeout = 50e6
	before := g.snapshot(th, o.Stack)
	in, err := ptrace.Inject(th, o)
	if err != nil {
		t.Fatal(err)
	}
	var timeout *ptrace.TimeoutError
	if _, err := in.Call(abi.SysPause); !errors.As(err, &timeout) {
		t.Errorf("pause: %v, want a *TimeoutError", err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, g.snapshot(th, o.Stack)); d != "" {
		t.Errorf("changed (-before +after):\n%s", d)
	}
	g.detach(th)
	g.works(3)
}

// TestInjectGroupStopped injects into a process that SIGSTOP has stopped, and
// sends it another SIGSTOP in between.
func TestInjectGroupStopped(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "main")
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(g.pid, s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	waitFor(t, "group stop", func() bool { return state(g.pid) == "T" })
	for range 5 {
		th := g.stopped()
		if !th.GroupStopped() {
			t.Error("not seen as group-stopped")
		}
		o, _ := g.options()
		inject(t, th, o, func(in *ptrace.Injector) {
			if v, err := in.Call(abi.SysGetpid); err != nil || int(v) != g.pid {
				t.Errorf("getpid = %d, %v", v, err)
			}
			if v, err := in.Call(abi.SysGetpid); err != nil || int(v) != g.pid {
				t.Errorf("second getpid = %d, %v", v, err)
			}
		})
		g.detach(th)
		waitFor(t, "group stop after detach", func() bool { return state(g.pid) == "T" })
	}
	signal(syscall.SIGCONT)
	g.works(2)

	th := g.stopped()
	o, _ := g.options()
	inject(t, th, o, func(in *ptrace.Injector) {
		signal(syscall.SIGSTOP)
		if v, err := in.Call(abi.SysGetpid); err != nil || int(v) != g.pid {
			t.Errorf("getpid = %d, %v", v, err)
		}
	})
	g.detach(th)
	waitFor(t, "group stop", func() bool { return state(g.pid) == "T" })
	signal(syscall.SIGCONT)
	g.works(2)
}

// TestInjectBare takes the gadgets away.
func TestInjectBare(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "ucontext")
	th := g.stopped()
	o, _ := g.options()
	o.Gadgets = ptrace.Gadgets{Syscall: o.Gadgets.Syscall}
	before := g.snapshot(th, o.Stack)
	inject(t, th, o, func(in *ptrace.Injector) {
		if in.SelfCuring() {
			t.Error("cures itself without gadgets")
		}
		queries(t, in, g.pid, before.Regs.Rsp)
		if _, err := in.Twin(); err == nil {
			t.Error("a twin without gadgets")
		}
	})
	if d := cmp.Diff(before, g.snapshot(th, o.Stack)); d != "" {
		t.Errorf("changed (-before +after):\n%s", d)
	}
	g.detach(th)
	g.works(2)

	if _, err := ptrace.Inject(th, ptrace.Options{}); !errors.Is(err, ptrace.ErrNoGadget) {
		t.Errorf("without any gadget: %v", err)
	}
}

// TestPopRax forces the way over pop %rax; ret.
func TestPopRax(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker", "-static"), "main")
	th := g.stopped()
	o, _ := g.options()
	if o.Gadgets.PopRaxRet == 0 {
		t.Fatal("no pop rax; ret in a static program")
	}
	o.Gadgets.RestoreRT = 0
	before := g.snapshot(th, o.Stack)
	in, err := ptrace.Inject(th, o)
	if err != nil {
		t.Fatal(err)
	}
	queries(t, in, g.pid, before.Regs.Rsp)
	// Not closed: as if the engine died, the target cures itself.
	g.detach(th)
	g.works(3)
}
