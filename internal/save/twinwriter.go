package save

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/ptrace"
)

const (
	// twinBatch is the most that a twin writes by one batch of calls, or by one
	// call, in bytes: each ends with a wait that can be 0.1 ms too long.
	twinBatch = 16 << 20
	// twinLeast is how much it has to be that the twin writes it, in bytes.
	twinLeast = 8 << 20
	// twinCalls is the most calls of a batch.
	twinCalls = 128
)

// twinWriter lets a twin, or a shadow, write memory to its places in the image, and
// takes it in as that proceeds. It is twice as fast as reading the memory from
// outside: nothing is copied twice.
type twinWriter struct {
	c    *collector
	twin *ptrace.Twin
	fd   uint64 // the image in the twin
}

// write writes all runs, but for those that it returns: memory that the twin may
// not read, or that is not there, as beyond the end of a mapped file; or all that is
// left where it may not write at all. They have to be read from outside. It runs on
// the thread that traces.
func (w *twinWriter) write(ctx context.Context, im *image.SpaceWriter, areas []image.Area, runs []image.Run) ([]image.Run, error) {
	t := newTaker(w.c, im)
	rest, err := w.writeTo(ctx, t, areas, runs)
	return rest, errors.Join(err, aside(ctx, &w.c.beat, stallLimit, t.wait))
}

func (w *twinWriter) writeTo(ctx context.Context, t *taker, areas []image.Area, runs []image.Run) (rest []image.Run, err error) {
	queue := pieces{most: twinBatch}
	for _, r := range runs {
		if a := areaAt(areas, r.Start); a != nil && a.Prot&image.ProtRead == 0 {
			rest = append(rest, r)
			continue
		}
		queue.runs = append(queue.runs, r)
	}
	var batch []ptrace.SystemCall
	var of []image.Run
	for able := true; able; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		batch, of = batch[:0], of[:0]
		for n := uint64(0); n < twinBatch && len(batch) < twinCalls; {
			p, ok := queue.next()
			if !ok {
				break
			}
			n += p.Len
			of = append(of, p)
			batch = append(batch, ptrace.SystemCall{Nr: abi.SysPwrite64, Args: [6]uint64{w.fd, p.Start, p.Len, uint64(t.space.Place(p.Start))}})
		}
		if len(batch) == 0 {
			return rest, nil
		}
		if err := w.twin.Batch(batch); err != nil {
			return nil, err
		}
		for i, p := range of {
			written := uint64(0)
			if r := batch[i].Result; r > 0 {
				written = min(uint64(r), p.Len) &^ (pageSize - 1)
			} else if syscall.Errno(-r) != syscall.EFAULT {
				able = false // to write: its limits are not ours
			}
			t.add(image.Run{Start: p.Start, Len: written})
			if written < p.Len {
				rest = append(rest, image.Run{Start: p.Start + written, Len: p.Len - written})
			}
		}
	}
	for p, ok := queue.next(); ok; p, ok = queue.next() {
		rest = append(rest, p)
	}
	return rest, nil
}

// taker takes into the image what a twin has written, on the other processors.
type taker struct {
	c       *collector
	space   *image.SpaceWriter
	mu      sync.Mutex
	more    *sync.Cond
	queue   pieces
	closed  bool
	workers sync.WaitGroup
	ended   []outcome
}

func newTaker(c *collector, space *image.SpaceWriter) *taker {
	t := &taker{c: c, space: space, queue: pieces{most: copyPiece}}
	t.more = sync.NewCond(&t.mu)
	t.ended = make([]outcome, min(len(c.before.buffers), max(1, runtime.GOMAXPROCS(0)-1)))
	for i := range t.ended {
		t.workers.Go(func() {
			t.ended[i] = call(func() error { return t.work(c.before.buffers[i]) })
		})
	}
	return t
}

func (t *taker) add(r image.Run) {
	if r.Len == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue.runs = append(t.queue.runs, r)
	t.more.Broadcast()
}

func (t *taker) work(buf []byte) error {
	for {
		p, ok := t.next()
		if !ok {
			return nil
		}
		if err := t.space.Adopt(p.Start, buf[:p.Len]); err != nil {
			return &StoreError{t.c.o.Path, err}
		}
		t.c.step(p.Len)
	}
}

func (t *taker) next() (image.Run, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if p, ok := t.queue.next(); ok {
			return p, true
		}
		if t.closed {
			return image.Run{}, false
		}
		t.more.Wait()
	}
}

// wait waits until all that was added is in the image.
func (t *taker) wait() error {
	t.mu.Lock()
	t.closed = true
	t.more.Broadcast()
	t.mu.Unlock()
	t.workers.Wait()
	for _, o := range t.ended {
		if err := o.result(); err != nil {
			return err
		}
	}
	return nil
}
