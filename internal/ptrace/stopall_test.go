package ptrace_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// threads starts testdata/threads.c and waits until it works.
func threads(t *testing.T, mode string) *target {
	t.Helper()
	g := start(t, build(t, "threads"), mode)
	if l := g.line(); l != "ready" {
		t.Fatalf("threads said %q", l)
	}
	g.oks(1)
	return g
}

// oks waits until all threads have worked on, n times.
func (g *target) oks(n int) {
	g.t.Helper()
	for i := len(g.lines) + n + 1; i > 0; i-- {
		if l := g.line(); l != "ok" {
			g.t.Fatalf("threads said %q", l)
		}
	}
}

func (g *target) tasks() []int {
	g.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", g.pid))
	if err != nil {
		g.t.Fatal(err)
	}
	var tids []int
	for _, e := range entries {
		tid, _ := strconv.Atoi(e.Name())
		tids = append(tids, tid)
	}
	return tids
}

// seizeAll seizes all threads that there are, but for those that are dead.
func (g *target) seizeAll() []*ptrace.Thread {
	g.t.Helper()
	tids := g.tasks()
	if state(g.pid) == "Z" {
		tids = tids[1:]
	}
	var refused *ptrace.SeizeError
	all, err := ptrace.SeizeAll(tids, nil)
	if err != nil && !(errors.As(err, &refused) && refused.Reason == ptrace.Zombie) {
		g.t.Fatal(err)
	}
	return all
}

// TestStopAll stops a hundred threads together, again and again.
func TestStopAll(t *testing.T) {
	t.Parallel()
	locked(t)
	g := threads(t, "100")
	for range 20 {
		all := g.seizeAll()
		if err := ptrace.StopAll(all, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		for _, th := range all {
			if s := state(th.Tid()); s != "t" || !th.Stopped() || th.Gone() {
				t.Errorf("thread %d is in state %s", th.Tid(), s)
			}
			g.detach(th)
		}
	}
	g.oks(2)
}

// TestStopAllDying: threads that end while they are stopped are told, and so is
// a leader that has ended before.
func TestStopAllDying(t *testing.T) {
	t.Parallel()
	locked(t)
	g := threads(t, "churn")
	for range 50 {
		all := g.seizeAll()
		if err := ptrace.StopAll(all, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		for _, th := range all {
			if th.Stopped() == th.Gone() {
				t.Errorf("thread %d: stopped %v, gone %v", th.Tid(), th.Stopped(), th.Gone())
			}
			g.detach(th)
		}
	}
	g.oks(2)
	g = threads(t, "leader")
	waitFor(t, "the leader's end", func() bool { return state(g.pid) == "Z" })
	if _, err := ptrace.Seize(g.pid); err == nil {
		t.Error("seized a dead leader")
	}
	all := g.seizeAll()
	if len(all) != 4 {
		t.Errorf("%d threads", len(all))
	}
	if err := ptrace.StopAll(all, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, th := range all {
		g.detach(th)
	}
	g.oks(2)
}

// TestStopAllExec: a thread in execve waits for the death of the others, of
// which the kernel lets those that are traced die only when the tracer looks.
func TestStopAllExec(t *testing.T) {
	t.Parallel()
	locked(t)
	stdin, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	defer stdin.Close()
	path := build(t, "threads")
	g := startWith(t, stdin, path, "exec")
	if l := g.line(); l != "ready" {
		t.Fatal(l)
	}
	g.oks(1)
	var rest []*ptrace.Thread
	executing := 0
	for _, tid := range g.tasks() {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", tid))
		if len(name) > 2 && string(name[:2]) == "0 " { // read
			executing = tid
			continue
		}
		th, err := ptrace.Seize(tid)
		if err != nil {
			t.Fatal(err)
		}
		rest = append(rest, th)
	}
	if err := ptrace.StopAll(rest, 5*time.Second); err != nil || executing == 0 {
		t.Fatal(err, executing)
	}
	input.Write([]byte{1})
	waitFor(t, "the execve", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", executing))
		return len(b) > 3 && string(b[:3]) == "59 "
	})
	last, err := ptrace.SeizeAll([]int{executing}, rest)
	if err != nil {
		t.Fatal(err)
	}
	if err := ptrace.StopAll(append(rest, last...), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, th := range append(rest, last...) {
		if th.Stopped() {
			g.detach(th)
		}
	}
}

// TestSlowSeize: whoever waits for dead threads while others are seized leaves
// the stops of living ones alone.
func TestSlowSeize(t *testing.T) {
	t.Parallel()
	locked(t)
	g := threads(t, "12")
	all := g.seizeAll()
	for _, th := range all {
		if err := ptrace.Interrupt(th); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "stops", func() bool {
		for _, th := range all {
			if state(th.Tid()) != "t" {
				return false
			}
		}
		return true
	})
	for _, th := range all {
		if err := sys.ReapThread(th.Tid()); err != nil {
			t.Error(err)
		}
	}
	if err := ptrace.StopAll(all, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, th := range all {
		g.detach(th)
	}
	g.oks(2)
}

// TestShare injects into each of many threads, whose stacks have no room
// between them, and looks for what it might have left.
func TestShare(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"stack", "mapping", "stale"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			locked(t)
			g := threads(t, "12")
			for range 10 {
				shareOnce(t, g, where)
				g.oks(1)
			}
		})
	}
}

func shareOnce(t *testing.T, g *target, where string) {
	t.Helper()
	all := g.seizeAll()
	if err := ptrace.StopAll(all, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	o, before := g.options()
	if where == "mapping" {
		o.Stack = ptrace.Range{}
	}
	if where == "stale" {
		// As an engine leaves it that dies.
		at := ptrace.ScratchRange
		inject(t, all[0], o, func(in *ptrace.Injector) {
			if _, err := in.Call(abi.SysMmap, at.Start, at.End-at.Start, 3, abi.MapPrivate|abi.MapAnonymous|abi.MapFixedNoReplace, ^uint64(0)); err != nil {
				t.Fatal(err)
			}
		})
		o.Stale = true
	}
	first, err := ptrace.Inject(all[0], o)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := first.Share()
	if err != nil {
		t.Fatal(err)
	}
	if at := ptrace.ScratchRange; len(shared) < 2 || shared[0].Start != at.Start || shared[len(shared)-1].End > at.End {
		t.Errorf("shared memory at %#x", shared)
	}
	for rest := range slices.Chunk(all[1:], len(shared)) {
		var ins []*ptrace.Injector
		for i, th := range rest {
			so := o
			so.Shared, so.Stale = shared[i], false
			in, err := ptrace.Inject(th, so)
			if err != nil {
				t.Fatal(err)
			}
			ins = append(ins, in)
		}
		for i, r := range ptrace.CallAll(ins, abi.SysGettid, func(*ptrace.Injector) []uint64 { return nil }) {
			if r.Err != nil || int(r.Value) != rest[i].Tid() {
				t.Errorf("gettid in thread %d = %d, %v", rest[i].Tid(), r.Value, r.Err)
			}
		}
		for _, in := range ins {
			if err := in.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if v, err := first.Call(abi.SysGetpid); err != nil || int(v) != g.pid {
		t.Errorf("getpid = %d, %v", v, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, after := g.options(); after != before {
		t.Errorf("mappings before:\n%s\nafter:\n%s", before, after)
	}
	for _, th := range all {
		g.detach(th)
	}
}
