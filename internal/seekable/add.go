package seekable

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/zeebo/xxh3"
)

// maxFrames is how many frames the length of the index has room for.
const maxFrames = (math.MaxUint32 - 1<<10) / indexEntry

// Add compresses the frames, which follow what there is, on several goroutines.
// read gives the content of those that are not zero; it is called by all of
// them, in the order of the frames but at the same time. The first error ends it
// all, as does ctx.
func (w *Writer) Add(ctx context.Context, frames []Frame, read func(p []byte, off int64) error) error {
	if len(frames) > maxFrames-len(w.entries) {
		return fmt.Errorf("%d frames are too many", len(frames))
	}
	for _, f := range frames {
		if f.Off != w.end || f.Len <= 0 || f.Len > FrameSize && (!f.Zero || f.Len > maxZeroFrame) {
			return fmt.Errorf("frame of %d bytes at %d does not follow what ends at %d", f.Len, f.Off, w.end)
		}
		w.end += f.Len
	}
	q := &queue{w: w, frames: frames, ready: map[int][]byte{}, ahead: framesAhead * w.workers}
	q.moved = sync.NewCond(&q.mu)
	stop := context.AfterFunc(ctx, func() { q.fail(ctx.Err()) })
	defer stop()
	var workers sync.WaitGroup
	for range min(w.workers, len(frames)) {
		workers.Go(func() { q.fail(q.work(read)) })
	}
	workers.Wait()
	q.mu.Lock() // ctx may end just now
	defer q.mu.Unlock()
	return cmp.Or(q.err, ctx.Err())
}

// framesAhead is how many compressed frames each goroutine may be ahead of the
// one that the file needs next.
const framesAhead = 4

// queue hands out frames and puts them into the file in their order.
type queue struct {
	w      *Writer
	frames []Frame
	ahead  int

	mu    sync.Mutex
	moved *sync.Cond // when next or err has changed
	taken int        // frames that were handed out
	next  int        // the frame that the file needs next
	ready map[int][]byte
	free  [][]byte
	err   error
}

func (q *queue) fail(err error) {
	if err == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.moved.Broadcast()
}

func (q *queue) work(read func(p []byte, off int64) error) error {
	buf := make([]byte, FrameSize)
	for {
		i, b, ok := q.take()
		if !ok {
			return nil
		}
		f, p := q.frames[i], []byte(nil)
		if !f.Zero {
			p = buf[:f.Len]
			if err := read(p, f.Off); err != nil {
				return err
			}
		}
		if err := q.put(i, q.w.compress(b, f, p)); err != nil {
			return err
		}
	}
}

// take gives the next frame, and a buffer for it. It waits for those in front if
// there are too many behind them already.
func (q *queue) take() (i int, b []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil && q.taken-q.next >= q.ahead {
		q.moved.Wait()
	}
	if q.err != nil || q.taken == len(q.frames) {
		return 0, nil, false
	}
	if n := len(q.free); n > 0 {
		b, q.free = q.free[n-1], q.free[:n-1]
	}
	q.taken++
	return q.taken - 1, b[:0], true
}

// put takes a compressed frame, and writes all that have none missing in front.
func (q *queue) put(i int, b []byte) error {
	q.mu.Lock()
	q.ready[i] = b
	pos := q.w.pos
	var turn [][]byte
	for b, ok := q.ready[q.next]; ok; b, ok = q.ready[q.next] {
		delete(q.ready, q.next)
		turn = append(turn, b)
		q.w.entries = append(q.w.entries, entry{raw: q.frames[q.next].Len, size: int64(len(b)), sum: xxh3.Hash(b)})
		q.w.pos += int64(len(b))
		q.next++
	}
	q.moved.Broadcast()
	q.mu.Unlock()
	for _, b := range turn {
		if _, err := q.w.f.WriteAt(b, pos); err != nil {
			return err
		}
		pos += int64(len(b))
	}
	q.mu.Lock()
	q.free = append(q.free, turn...)
	q.mu.Unlock()
	return nil
}
