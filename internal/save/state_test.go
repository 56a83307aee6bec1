package save

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ckpt/internal/kind"
)

// TestState: what only the process can tell, by calls that it is made to do.
func TestState(t *testing.T) {
	t.Parallel()
	g := start(t, "state")
	g.works()
	r, err := Save(context.Background(), options(g, filepath.Join(t.TempDir(), "x")))
	if err != nil {
		t.Fatal(err)
	}
	p := &r.Manifest.Processes[0]
	th := &p.Threads[0]
	const saNoCldWait, saOnStack, saRestorer = 2, 0x08000000, 0x04000000
	if a := p.Signals.Actions[10]; a.Handler <= sigIgn || a.Flags != saRestart|saOnStack|saRestorer || a.Mask != 1<<(15-1) {
		t.Errorf("action of SIGUSR1: %+v", a)
	}
	if a := p.Signals.Actions[1]; a.Handler != sigIgn {
		t.Errorf("action of SIGHUP: %+v", a)
	}
	if a := p.Signals.Actions[5]; a.Handler != sigIgn {
		t.Errorf("action of SIGTRAP: %+v", a)
	}
	if a := p.Signals.Actions[17]; a.Handler != 0 || a.Flags&saNoCldWait == 0 {
		t.Errorf("action of SIGCHLD: %+v", a)
	}
	// make starts its commands by posix_spawn, which in older C libraries
	// leaves these two ignored.
	delete(p.Signals.Actions, 32)
	delete(p.Signals.Actions, 33)
	if _, set := p.Signals.Actions[34]; set || len(p.Signals.Actions) != 4 {
		t.Errorf("actions: %+v", p.Signals.Actions)
	}
	if th.AltStack.Size != 65536 || th.AltStack.SP == 0 {
		t.Errorf("alternate stack: %+v", th.AltStack)
	}
	if i := p.Timers.Interval[0]; i.Interval != 7e9+3 || i.Value <= 900e6 || i.Value > 1000e6 {
		t.Errorf("ITIMER_REAL: %+v", i)
	}
	if len(p.Timers.POSIX) != 1 || p.Timers.POSIX[0].Interval != 5e9+6 || p.Timers.POSIX[0].Value <= 1900e9 || p.Timers.POSIX[0].Signal != 64 {
		t.Errorf("timers: %+v", p.Timers.POSIX)
	}
	if th.TimerSlack != 123456 || th.PDeathSig != 23 || !p.Attributes.Subreaper || p.Attributes.Dumpable != 1 || p.Attributes.KeepCaps {
		t.Errorf("slack %d, death signal %d, %+v", th.TimerSlack, th.PDeathSig, p.Attributes)
	}
	if th.SigMask != 1<<(12-1) || len(p.Signals.Pending)+len(th.Pending) != 1 {
		t.Errorf("mask %#x, pending %v and %v", th.SigMask, signals(p.Signals.Pending), signals(th.Pending))
	}
	if p.Memory.Brk < p.Memory.StartBrk || p.Memory.Brk == 0 || th.TIDAddress == 0 {
		t.Errorf("program break %s, tid address %s", p.Memory.Brk, th.TIDAddress)
	}
}

// signals says which signals are pending, from whom (si_code and si_pid of sigaction(2)).
func signals(pending [][]byte) (list []string) {
	for _, info := range pending {
		word := func(at int) int32 { return int32(binary.LittleEndian.Uint32(info[at:])) }
		list = append(list, fmt.Sprintf("%v (code %d, of %d)", syscall.Signal(word(0)), word(8), word(16)))
	}
	return list
}

func TestCheck(t *testing.T) {
	t.Parallel()
	g := start(t)
	before := g.trace()
	r, err := Check(g.pid, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.PID != g.pid || r.Name != "target ("+itoa(g.pid)+")" || r.Threads != 1 || len(r.Obstacles) != 0 ||
		r.ToSave < 8<<20 || r.ToSave > r.Mapped || r.Files < 2 || r.refusal() != nil {
		t.Errorf("%+v", r)
	}
	g.untouched(before)
	g = start(t, "parent")
	r, err = Check(g.pid, nil)
	if err != nil || len(r.Obstacles) > 0 || len(r.Processes) != 2 || r.Threads != 2 {
		t.Fatalf("%+v, error %v", r, err)
	}
	if p := r.Processes; p[0].PID != g.pid || p[1].PPID != g.pid || p[1].Name != "target" || p[1].ToSave == 0 || p[0].ToSave+p[1].ToSave != r.ToSave {
		t.Errorf("%+v", r.Processes)
	}
	if _, err := Check(1<<30, nil); !errors.Is(err, ErrNoProcess) {
		t.Errorf("no process: %v", err)
	}
	if r, err := Check(os.Getpid(), nil); err != nil || len(r.Obstacles) == 0 || r.Obstacles[0].Reason != "is this very ckpt" {
		t.Errorf("itself: %+v, error %v", r, err)
	}
}

// TestFindings: only what says that something can not be saved is an obstacle.
func TestFindings(t *testing.T) {
	t.Parallel()
	var f findings
	if err := f.note(errors.Join(&kind.UnsupportedError{Object: "fd 3", Reason: "is odd", Advice: "close it"})); err != nil {
		t.Error(err)
	}
	if err := f.note(syscall.EIO); err != syscall.EIO {
		t.Errorf("error %v", err)
	}
	if len(f.obstacles) != 1 || f.obstacles[0].String() != "fd 3: is odd (close it)" || len(f.warnings) != 0 {
		t.Errorf("%+v", f)
	}
	e := &RefusedError{"p (1)", append(f.obstacles, f.obstacles[0], f.obstacles[0])}
	if s := e.Error(); s != "p (1) can not be saved: fd 3: is odd (close it); and 2 more: see ckpt check" {
		t.Error(s)
	}
}

// TestOtherUser: root saves a process of nobody, dumpable or not.
func TestOtherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	for mode, dumpable := range map[string]int{"": 1, "undumpable": 0} {
		g := startAs(t, nobody, mode)
		g.works()
		before := g.trace()
		r, err := Save(context.Background(), options(g, filepath.Join(t.TempDir(), "x")))
		if err != nil {
			t.Fatal(err)
		}
		p := &r.Manifest.Processes[0]
		if p.Credentials.UID[0] != 65534 || p.Attributes.Dumpable != dumpable {
			t.Errorf("%q: %+v, %+v", mode, p.Credentials, p.Attributes)
		}
		g.untouched(before)
	}
}

// TestFullDisk: the disk is full in the middle of the memory.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	path := destination(t)
	dir := filepath.Dir(path)
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("no tmpfs can be mounted: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	if err := os.WriteFile(path, []byte("an older image"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := start(t)
	before := g.trace()
	for _, then := range []Then{ThenRun, ThenStop, ThenKill} {
		o := options(g, path)
		o.Then = then
		_, err := Save(context.Background(), o)
		var store *StoreError
		if !errors.As(err, &store) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("then %s: %v", then, err)
		}
		intact(t, path)
		g.untouched(before)
	}
}
