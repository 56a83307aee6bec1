package save

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

const (
	// copyWorkers is how many goroutines copy memory; more gain nothing, since
	// writes to one file exclude each other (PERFORMANCE.md).
	copyWorkers = 2
	// copyPiece is read and written at once. Larger than the processor's L2
	// cache is slower.
	copyPiece = 128 << 10
)

// copier copies the memory of a frozen process into the image.
type copier struct {
	mem   io.ReaderAt // /proc/PID/mem
	image *image.SpaceWriter
	path  string // of the image
	areas []image.Area
	// buffers are what each worker copies with, of copyPiece bytes.
	buffers [copyWorkers][]byte
	step    func(n uint64) // is told of the bytes that were copied
}

// copy copies all runs, on several goroutines. The process must stay frozen.
func (c *copier) copy(ctx context.Context, runs []image.Run) error {
	return inPieces(ctx, c.buffers[:], runs, c.piece)
}

// inPieces does something with all runs, in pieces as long as its buffer at most, on
// a goroutine for each of the buffers.
func inPieces(ctx context.Context, buffers [][]byte, runs []image.Run, do func(p image.Run, buf []byte) error) error {
	queue := pieces{runs: runs, most: copyPiece}
	return inTurns(ctx, buffers, queue.next, func(p image.Run, buf []byte) error { return do(p, buf[:p.Len]) })
}

// inTurns does something with all that next gives, on a goroutine for each of the
// buffers.
func inTurns[T any](parent context.Context, buffers [][]byte, next func() (T, bool), do func(t T, buf []byte) error) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var workers sync.WaitGroup
	ended := make([]outcome, len(buffers))
	work := func(buf []byte) error {
		for t, ok := next(); ok && ctx.Err() == nil; t, ok = next() {
			if err := do(t, buf); err != nil {
				return err
			}
		}
		return parent.Err()
	}
	if len(buffers) == 1 {
		return work(buffers[0])
	}
	for i, buf := range buffers {
		workers.Go(func() {
			ended[i] = call(func() error { return work(buf) })
			if o := ended[i]; o.err != nil || o.panicked != "" {
				cancel(o.err)
			}
		})
	}
	workers.Wait()
	for _, o := range ended {
		if err := o.result(); err != nil {
			return err
		}
	}
	return parent.Err()
}

// pieces hands out runs in pieces. It is no channel, because who would send
// into it is locked to its OS thread: every piece would cost two switches of
// threads.
type pieces struct {
	most uint64 // bytes of a piece
	mu   sync.Mutex
	runs []image.Run // those that are left
	from uint64      // of the first of them, what was handed out
}

func (q *pieces) next() (p image.Run, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.runs) == 0 {
		return p, false
	}
	r := q.runs[0]
	p = image.Run{Start: r.Start + q.from, Len: min(r.Len-q.from, q.most)}
	if q.from += p.Len; q.from == r.Len {
		q.runs, q.from = q.runs[1:], 0
	}
	return p, true
}

func (c *copier) piece(r image.Run, buf []byte) error {
	n, err := c.read(buf, r.Start)
	if err != nil {
		return err
	}
	return c.put(r, buf[:n])
}

// put puts what was read of a run into the image; behind that there is nothing.
func (c *copier) put(r image.Run, buf []byte) error {
	n := len(buf)
	if rest := r.Len - uint64(n); rest > 0 {
		if err := c.image.SkipMemory(r.Start+uint64(n), rest); err != nil {
			return err
		}
	}
	if n > 0 {
		if err := c.image.WriteMemory(r.Start, buf); err != nil {
			return &StoreError{c.path, err}
		}
	}
	c.step(r.Len)
	return nil
}

// read is an image.ReadMemory.
func (c *copier) read(buf []byte, addr uint64) (n int, err error) {
	n, err = c.mem.ReadAt(buf, int64(addr))
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		// Unlike a page that is not there, which is EIO (mem_rw in
		// fs/proc/base.c).
		return 0, fmt.Errorf("the memory of the process is gone: %w", proc.ErrGone)
	case errors.Is(err, syscall.EIO):
		// Pages of a mapped file beyond its end: the process itself gets
		// SIGBUS there, and will again.
		if a := areaAt(c.areas, addr); a != nil && (a.Kind == image.PrivateFile || a.Kind == image.SharedFile) {
			return n - n%pageSize, nil
		}
	}
	return 0, fmt.Errorf("read the process's memory at %#x: %w", addr+uint64(n), err)
}

// areaAt finds the area that contains addr by binary search; nil if none does.
func areaAt(areas []image.Area, addr uint64) *image.Area {
	lo, hi := 0, len(areas)
	for lo < hi {
		mid := (lo + hi) / 2
		switch {
		case addr < uint64(areas[mid].Start):
			hi = mid
		case addr >= uint64(areas[mid].End):
			lo = mid + 1
		default:
			return &areas[mid]
		}
	}
	return nil
}
