package save

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"ckpt/internal/image"
)

// stallLimit is how long the work of a save may make no step at all before it
// is given up: what it waits for is then a file system that does not answer.
const stallLimit = time.Minute

// giveUp is how long work may take to notice that nobody wants it any more.
const giveUp = 2 * time.Second

// beat is felt at every step of work that may be long.
type beat struct{ n atomic.Int64 }

func (b *beat) step() { b.n.Add(1) }

// onOwnThread runs f on an OS thread that ends with it. Whatever f traced and
// could not detach from, such as a thread that does not stop, is released by
// the kernel then.
func onOwnThread(f func() error) error {
	done := make(chan outcome, 1)
	go func() {
		runtime.LockOSThread() // for good
		if syscall.Gettid() == os.Getpid() {
			// The Go runtime never ends its first thread. While it is locked
			// here, the next goroutine runs on another.
			done <- call(func() error { return onOwnThread(f) })
			runtime.UnlockOSThread()
			return
		}
		done <- call(f)
	}()
	return (<-done).result()
}

// aside runs f, which may wait for others, on a goroutine of its own, so that
// the thread that traces can always let the process go: when ctx is done, or
// when f has made no step for limit. An f that was left behind finds its files
// closed, if it ever wakes up.
func aside(ctx context.Context, b *beat, limit time.Duration, f func() error) error {
	cancelled := ctx.Done()
	done := make(chan outcome, 1)
	go func() { done <- call(f) }()
	ticks := time.NewTicker(limit / 4)
	defer ticks.Stop()
	var late <-chan time.Time
	seen, since := b.n.Load(), time.Now()
	for {
		select {
		case o := <-done:
			return o.result()
		case <-cancelled:
			cancelled, late = nil, time.After(giveUp)
		case <-late:
			return ctx.Err()
		case <-ticks.C:
			if n := b.n.Load(); n != seen {
				seen, since = n, time.Now()
			} else if d := time.Since(since); d >= limit {
				return &StallError{d.Round(time.Millisecond)}
			}
		}
	}
}

// outcome is how a call of a function ended.
type outcome struct {
	err      error
	panicked string // with the stack
}

func call(f func() error) (o outcome) {
	defer func() {
		if r := recover(); r != nil {
			o.panicked = fmt.Sprintf("%v\n\n%s", r, debug.Stack())
		}
	}()
	o.err = f()
	return o
}

// result gives the error, or goes on with the panic in the caller, whose
// deferred calls let the process go.
func (o outcome) result() error {
	if o.panicked != "" {
		panic(o.panicked)
	}
	return o.err
}

// payloads is image.Writer.AddPayload as a step of work that ends with ctx.
func (c *collector) payloads(ctx context.Context) func(io.ReaderAt, int64, [][2]int64) (image.PayloadRef, error) {
	return func(src io.ReaderAt, size int64, extents [][2]int64) (image.PayloadRef, error) {
		if size > 0 {
			if err := c.layOut(); err != nil {
				return image.PayloadRef{}, err
			}
		}
		r := &steps{ctx: ctx, src: src, beat: &c.beat}
		ref, err := c.image.AddPayload(r, size, extents)
		if err != nil && !r.failed {
			err = &StoreError{c.o.Path, err}
		}
		return ref, err
	}
}

// steps is src, read in steps.
type steps struct {
	ctx    context.Context
	src    io.ReaderAt
	beat   *beat
	failed bool // to read
}

func (s *steps) ReadAt(b []byte, off int64) (int, error) {
	s.beat.step()
	if s.ctx.Err() != nil {
		s.failed = true
		return 0, s.ctx.Err()
	}
	n, err := s.src.ReadAt(b, off)
	s.failed = s.failed || n < len(b)
	return n, err
}
