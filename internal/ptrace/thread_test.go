package ptrace_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/ptrace"
)

func TestSeizeRefused(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "main")
	zombie := exec.Command("/bin/true")
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	defer zombie.Wait()
	waitFor(t, "zombie", func() bool { return state(zombie.Process.Pid) == "Z" })
	th := g.stopped()
	defer g.detach(th)

	for _, c := range []struct {
		name   string
		tid    int
		reason ptrace.Reason
		says   string
	}{
		{"traced", g.pid, ptrace.Traced, "traces it already"},
		{"zombie", zombie.Process.Pid, ptrace.Zombie, "has exited"},
		{"self", os.Getpid(), ptrace.Self, "itself"},
		{"kernel", 2, ptrace.KernelThread, "kernel thread"},
	} {
		_, err := ptrace.Seize(c.tid)
		var e *ptrace.SeizeError
		if !errors.As(err, &e) || e.Reason != c.reason || !strings.Contains(e.Error(), c.says) {
			t.Errorf("%s: %v, want reason %d", c.name, err, c.reason)
		} else if !errors.Is(err, syscall.EPERM) {
			t.Errorf("%s: %v is not EPERM", c.name, err)
		}
	}
	if _, err := ptrace.Seize(1 << 22); !errors.Is(err, ptrace.ErrGone) {
		t.Errorf("no such thread: %v", err)
	}
}

// TestSeizeOtherUser seizes init, which belongs to root, as another user.
func TestSeizeOtherUser(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/proc/self/exe", "seize", "1")
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "cannot trace 1: it belongs to another user: uids 0 0 0 0") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestStopTimeout tries to stop a process that waits for its vfork child.
func TestStopTimeout(t *testing.T) {
	t.Parallel()
	locked(t)
	g := start(t, build(t, "waiter"), "vfork")
	waitFor(t, "state D", func() bool { return state(g.pid) == "D" })
	th, err := ptrace.Seize(g.tid)
	if err != nil {
		t.Fatal(err)
	}
	err = th.Stop(20 * time.Millisecond)
	var e *ptrace.TimeoutError
	if !errors.As(err, &e) || e.Tid != g.tid || e.State != "D" || th.Stopped() {
		t.Errorf("Stop: %v, want a timeout in state D", err)
	}
	if err := th.Stop(10 * time.Second); err != nil {
		t.Errorf("Stop after the wait: %v", err)
	}
	g.detach(th)
}

// TestStopHandsOnSignals sends signals to a thread that is about to stop.
func TestStopHandsOnSignals(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "sleep")
	th, err := ptrace.Seize(g.tid)
	if err != nil {
		t.Fatal(err)
	}
	// A signal whose default is to be ignored stops a traced thread all the same.
	if err := syscall.Kill(g.pid, syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
	if err := th.Stop(time.Second); err != nil {
		t.Fatal(err)
	}
	if th.GroupStopped() {
		t.Error("seen as group-stopped")
	}
	if err := th.Stop(0); err != nil {
		t.Errorf("stopping a stopped thread: %v", err)
	}
	g.detach(th)
	g.works(2)

	// One that kills does so, and Stop says it.
	if th, err = ptrace.Seize(g.tid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(g.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
	err = th.Stop(time.Second)
	if err == nil { // the interrupt came first
		_, err = th.Pending(true)
		if err != nil {
			t.Fatal(err)
		}
		g.detach(th)
		return
	}
	var gone *ptrace.GoneError
	if !errors.As(err, &gone) || gone.Status.Signal() != syscall.SIGTERM {
		t.Errorf("Stop: %v, want killed by SIGTERM", err)
	}
}

func TestStopKilled(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "main")
	th := g.stopped()
	if err := g.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := th.Regs(); err == nil { // it may take a moment to die
		waitFor(t, "death", func() bool { _, err = th.Regs(); return err != nil })
		if !errors.Is(err, ptrace.ErrGone) {
			t.Errorf("Regs: %v", err)
		}
	}
	if err := th.Detach(); err != nil {
		t.Errorf("Detach: %v", err)
	}
}

// TestPending queues signals that the worker blocks.
func TestPending(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "sleep")
	th := g.stopped()
	mask, err := th.SigMask()
	if err != nil || mask != 1<<(syscall.SIGUSR2-1) {
		t.Fatalf("mask %#x, %v", mask, err)
	}
	// More real-time signals than one batch holds.
	const rt, n = 40, 70
	if err := th.SetSigMask(mask | 1<<(rt-1)); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := syscall.Kill(g.pid, rt); err != nil {
			t.Fatal(err)
		}
	}
	pending, err := th.Pending(true)
	if err != nil || len(pending) != n {
		t.Fatalf("%d pending signals, %v; want %d", len(pending), err, n)
	}
	for _, s := range pending {
		if s[0] != rt {
			t.Fatalf("signal %d pending", s[0])
		}
	}
	// The list is whole also when signals for the reader cut the kernel's answers
	// short.
	self, done := syscall.Gettid(), make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			default:
				syscall.Tgkill(syscall.Getpid(), self, syscall.SIGURG)
			}
		}
	}()
	for range 200 {
		if pending, err = th.Pending(true); err != nil || len(pending) != n {
			t.Errorf("%d pending signals, %v; want %d", len(pending), err, n)
			break
		}
	}
	close(done)
	if own, err := th.Pending(false); err != nil || len(own) != 0 {
		t.Errorf("%d signals for the thread, %v", len(own), err)
	}
	g.cmd.Process.Kill() // signal 40 would
}

// TestRegisters reads what there is of a stopped thread, and writes it back.
func TestRegisters(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "main")
	for range 10 {
		th := g.stopped()
		x, err := th.XState()
		if err != nil || len(x) < 512 {
			t.Fatalf("extended state: %d bytes, %v", len(x), err)
		}
		if err := th.SetXState(x); err != nil {
			t.Fatal(err)
		}
		if y, err := th.XState(); err != nil || !bytes.Equal(x, y) {
			t.Errorf("extended state changed: %v", err)
		}
		if c, err := th.Rseq(); err != nil || c.Area == 0 || c.Signature != 0x53053053 {
			t.Errorf("rseq: %+v, %v; glibc registers one", c, err)
		}
		if i, err := th.SyscallInfo(); err != nil || i.Op != 0 {
			t.Errorf("syscall info: %+v, %v", i, err)
		}
		if si, err := th.Siginfo(); err != nil || syscall.Signal(si[0]) != syscall.SIGTRAP {
			t.Errorf("siginfo: %v, %v", si[:12], err)
		}
		if head, n, err := ptrace.RobustList(g.tid); err != nil || head == 0 || n != 24 {
			t.Errorf("robust list: %#x, %d, %v", head, n, err)
		}
		switch err := th.SuspendSeccomp(); {
		case os.Getuid() == 0 && err != nil:
			t.Error(err)
		case os.Getuid() != 0 && !errors.Is(err, syscall.EPERM):
			t.Errorf("SuspendSeccomp as a user: %v, want EPERM", err)
		}
		g.detach(th)
	}
	g.works(2)
	if _, _, err := ptrace.RobustList(1 << 22); !errors.Is(err, ptrace.ErrGone) {
		t.Errorf("robust list of nobody: %v", err)
	}
}
