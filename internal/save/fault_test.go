package save

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/image"
)

// probe is a context that calls a function when it is asked for the n-th time:
// a save asks at the beginning of each of its steps.
type probe struct {
	context.Context
	left atomic.Int64
	then func()
}

func newProbe(ctx context.Context, n int, then func()) *probe {
	p := &probe{Context: ctx, then: then}
	p.left.Store(int64(n))
	return p
}

func (p *probe) count() {
	// Only our own steps: other packages' faults are theirs.
	pc, _, _, _ := runtime.Caller(2)
	if !strings.HasPrefix(runtime.FuncForPC(pc).Name(), "ckpt/internal/save.") {
		return
	}
	if p.left.Add(-1) == 0 {
		p.then()
	}
}

func (p *probe) Err() error            { p.count(); return p.Context.Err() }
func (p *probe) Done() <-chan struct{} { p.count(); return p.Context.Done() }

// reached reports whether the function was called.
func (p *probe) reached() bool { return p.left.Load() <= 0 }

func options(g *target, path string) Options {
	return Options{
		PID: g.pid, Path: path, Then: ThenRun, Timeout: 10 * time.Second,
		Trigger: image.TriggerCommand, Version: "test",
	}
}

// verified checks that there is a good image at path.
func verified(t *testing.T, path string) {
	t.Helper()
	im, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if err := im.Verify(context.Background(), 1, nil); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of the image: %v, error %v", info.Mode(), err)
	}
	alone(t, path)
}

// TestCancelled: a save that is interrupted at any step leaves everything as
// it was.
func TestCancelled(t *testing.T) { bothWays(t, cancelAtEachStep) }

// bothWays tests saves with a twin and with memory that is copied ahead.
func bothWays(t *testing.T, test func(*testing.T, func(*target, string) Options)) {
	t.Parallel()
	for name, o := range map[string]func(*target, string) Options{"twin": options, "ahead": aheadOptions} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, o)
		})
	}
}

func cancelAtEachStep(t *testing.T, options func(*target, string) Options) {
	for n := 1; ; n++ {
		g := start(t)
		before := g.trace()
		path := destination(t)
		ctx, cancel := context.WithCancel(context.Background())
		p := newProbe(ctx, n, cancel)
		_, err := Save(p, options(g, path))
		cancel()
		if !p.reached() {
			if n < 6 || err != nil {
				t.Errorf("only %d steps, error %v", n-1, err)
			}
			verified(t, path)
			return
		}
		switch {
		case errors.Is(err, context.Canceled):
			intact(t, path)
		case err == nil: // interrupted too late
			verified(t, path)
		default:
			t.Errorf("step %d: %v", n, err)
		}
		g.untouched(before)
		g.end()
	}
}

// TestKilled: a process that dies at any step gives an error that says so, or
// a good image.
func TestKilled(t *testing.T) { bothWays(t, killAtEachStep) }

func killAtEachStep(t *testing.T, options func(*target, string) Options) {
	for n := 1; ; n++ {
		g := start(t)
		path := destination(t)
		p := newProbe(context.Background(), n, func() {
			syscall.Kill(g.pid, syscall.SIGKILL)
		})
		_, err := Save(p, options(g, path))
		if !p.reached() {
			return
		}
		switch {
		case errors.Is(err, ErrNoProcess):
			intact(t, path)
		case err == nil:
			verified(t, path)
		default:
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), "zombie") {
				t.Errorf("step %d: %v", n, err)
			}
		}
	}
}

// TestKilledWhileCopied: memory that is gone is not taken for the end of a
// file. What a twin holds can not go, and the image is whole.
func TestKilledWhileCopied(t *testing.T) {
	t.Parallel()
	for n := int64(1); n < 20; n++ {
		mode, want := "subreaper", ErrNoProcess
		if n%2 == 0 {
			mode, want = "", nil
		}
		g := start(t, mode)
		path := destination(t)
		o := options(g, path)
		var pieces atomic.Int64
		o.Progress = func(done, total int64) {
			if pieces.Add(1) == n {
				syscall.Kill(g.pid, syscall.SIGKILL)
				eventually(t, "the death of the process", func() bool {
					b, _ := os.ReadFile("/proc/" + itoa(g.pid) + "/cmdline")
					return len(b) == 0
				})
			}
		}
		if _, err := Save(context.Background(), o); !errors.Is(err, want) {
			t.Errorf("%s killed after %d pieces of %d: %v", mode, n, pieces.Load(), err)
		}
		if want == nil {
			verified(t, path)
		} else {
			intact(t, path)
		}
	}
}

// TestPanic: even a fault of our own lets the process go.
func TestPanic(t *testing.T) { bothWays(t, panicAtEachStep) }

func panicAtEachStep(t *testing.T, options func(*target, string) Options) {
	save := func(ctx context.Context, o Options) (panicked any) {
		defer func() { panicked = recover() }()
		_, err := Save(ctx, o)
		if err != nil {
			t.Error(err)
		}
		return nil
	}
	for n := 1; ; n++ {
		g := start(t)
		before := g.trace()
		path := destination(t)
		p := newProbe(context.Background(), n, func() { panic("at a step") })
		panicked := save(p, options(g, path))
		if !p.reached() {
			break
		}
		if s, _ := panicked.(string); !strings.Contains(s, "at a step") {
			t.Errorf("step %d: the panic is lost: %v", n, panicked)
		}
		intact(t, path)
		g.untouched(before)
		g.end()
	}
	g := start(t)
	before := g.trace()
	path := destination(t)
	o := options(g, path)
	o.Progress = func(done, total int64) { panic("in a worker") }
	if s, _ := save(context.Background(), o).(string); !strings.Contains(s, "in a worker") {
		t.Errorf("the panic is lost: %q", s)
	}
	intact(t, path)
	g.untouched(before)
}
