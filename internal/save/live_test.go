package save

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/proc"
)

func itoa(n int) string { return strconv.Itoa(n) }

// refusedFor checks that err refuses a process for the reason, and gives the
// object.
func refusedFor(t *testing.T, err error, reason string) string {
	t.Helper()
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("not refused: %v", err)
	}
	for _, o := range refused.Obstacles {
		if strings.Contains(o.Reason, reason) {
			return o.Object
		}
	}
	t.Fatalf("refused for another reason: %v", refused.Obstacles)
	return ""
}

// TestManySaves: the program and the image are whole after each of many saves.
func TestManySaves(t *testing.T) {
	t.Parallel()
	g := start(t)
	path := filepath.Join(t.TempDir(), "with space\nand newline")
	before := g.trace()
	for range 20 {
		r, err := Save(context.Background(), options(g, path))
		if err != nil {
			t.Fatal(err)
		}
		if r.Frozen <= 0 || r.Frozen > r.Total || r.Stats.Memory < 8<<20 {
			t.Errorf("frozen %v of %v, %d bytes", r.Frozen, r.Total, r.Stats.Memory)
		}
		verified(t, path)
		g.untouched(before)
	}
}

// TestSavesAtOnce: of several saves at the same moment all get through, one after
// the other.
func TestSavesAtOnce(t *testing.T) {
	t.Parallel()
	g := start(t)
	before := g.trace()
	dir := t.TempDir()
	for range 10 {
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if _, err := Save(context.Background(), options(g, filepath.Join(dir, itoa(i)))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		g.untouched(before)
	}
}

// TestLateSignal: a signal that comes while a process is frozen in epoll_wait
// ends the call; without one the call goes on.
func TestLateSignal(t *testing.T) {
	t.Parallel()
	g := start(t, "epoll")
	path := filepath.Join(t.TempDir(), "x")
	sleeping := func() {
		eventually(t, "epoll_wait", func() bool {
			st, err := proc.Host().Process(g.pid).Stat()
			return err == nil && st.State == 'S'
		})
	}
	for range 5 {
		sleeping()
		if _, err := Save(context.Background(), options(g, path)); err != nil {
			t.Fatal(err)
		}
		sleeping()
		if len(g.lines) > 0 {
			t.Fatalf("the program was woken: %q", g.line())
		}
		var once sync.Once
		o := options(g, path)
		o.Progress = func(done, total int64) {
			once.Do(func() { syscall.Kill(g.pid, syscall.SIGUSR1) })
		}
		if _, err := Save(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		if l := g.line(); !strings.HasPrefix(l, "EINTR") {
			t.Fatalf("the program said %q", l)
		}
	}
}

// TestVforkLasts: a process that waits in vfork for a child that does not get on
// is refused, before it is frozen or when it is to be, and goes on when it can,
// with nobody tracing it.
func TestVforkLasts(t *testing.T) {
	t.Parallel()
	g := start(t, "vfork")
	p, k := proc.Host().Process(g.pid), &kin{fs: proc.Host(), root: g.pid}
	eventually(t, "vfork", func() bool { return k.inVfork(g.pid) != 0 })
	err := onOwnThread(func() error {
		_, err := freeze(k, nil, 50*time.Millisecond)
		return err
	})
	refusedFor(t, err, "waits in vfork(2) for process")
	eventually(t, "the end of the tracing thread", func() bool {
		st, err := p.Status()
		return err == nil && st.TracerPid == 0
	})
	o := options(g, filepath.Join(t.TempDir(), "x"))
	o.Timeout = 50 * time.Millisecond
	_, err = Save(context.Background(), o)
	refusedFor(t, err, "was made by vfork(2) of process "+itoa(g.pid))
	g.stdin.Close()
	g.works()
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	for mode, reason := range map[string]string{
		"parent": "would not be saved with it",
		"zombie": "would not be saved with it",
	} {
		g := start(t, mode)
		before := g.trace()
		o := options(g, path)
		o.Self = true
		_, err := Save(context.Background(), o)
		refusedFor(t, err, reason)
		g.untouched(before)
	}
	if _, err := Save(context.Background(), Options{PID: os.Getpid(), Path: path}); err == nil {
		t.Error("a process saved itself")
	}
	if _, err := Save(context.Background(), Options{PID: 1 << 30, Path: path}); !errors.Is(err, ErrNoProcess) {
		t.Errorf("no process: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("something was left: %v, %v", entries, err)
	}
}

// TestOwnFile: the image does not replace a file of the program.
func TestOwnFile(t *testing.T) {
	t.Parallel()
	for what, args := range map[string][]string{"fd ": {"open"}, "memory at ": nil} {
		path := destination(t)
		g := start(t, append([]string{"file", path}, args...)...)
		before := g.trace()
		_, err := Save(context.Background(), options(g, path))
		if o := refusedFor(t, err, "is the file that the image would replace"); !strings.HasPrefix(o, what) {
			t.Errorf("refused for %q, not %q", o, what)
		}
		intact(t, path)
		g.untouched(before)
	}
}

// TestBadDestination: the process is not even looked at.
func TestBadDestination(t *testing.T) {
	t.Parallel()
	g := start(t)
	before := g.trace()
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("elsewhere", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, link, filepath.Join(dir, "none", "x"), dir + "/", "/dev/null"} {
		_, err := Save(context.Background(), options(g, path))
		var store *StoreError
		if !errors.As(err, &store) || store.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
	alone(t, link)
	g.untouched(before)
}

// TestBlockedAndStopped: neither blocked signals nor a stop are in the way.
func TestBlockedAndStopped(t *testing.T) {
	t.Parallel()
	g := start(t, "blocked")
	path := filepath.Join(t.TempDir(), "x")
	before := g.trace()
	if _, err := Save(context.Background(), options(g, path)); err != nil {
		t.Fatal(err)
	}
	g.untouched(before)
	state := func() byte {
		st, err := proc.Host().Process(g.pid).Stat()
		if err != nil {
			t.Fatal(err)
		}
		return st.State
	}
	syscall.Kill(g.pid, syscall.SIGSTOP)
	eventually(t, "the stop", func() bool { return state() == 'T' })
	r, err := Save(context.Background(), options(g, path))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Manifest.Processes[0].Stopped {
		t.Error("the image does not say that it was stopped")
	}
	eventually(t, "the stop to last", func() bool { return state() == 'T' })
	syscall.Kill(g.pid, syscall.SIGCONT)
	g.untouched(before)

	o := options(g, path)
	o.Then = ThenStop
	if _, err := Save(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stop", func() bool { return state() == 'T' })
	o.Then = ThenKill
	if _, err := Save(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	<-g.ended
	verified(t, path)
}
