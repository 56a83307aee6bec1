package save

import (
	"context"
	"io"
	"sync"

	"ckpt/internal/image"
)

// pages are the contents of single pages, copied from a process.
type pages struct {
	bytes map[uint64][]byte // by address
	runs  []image.Run       // where they are
}

func newPages() *pages { return &pages{bytes: map[uint64][]byte{}} }

// read copies runs, in place of older copies. short is told of those that have less
// than they should; of the rest of these there is no copy.
func (p *pages) read(ctx context.Context, memory *scattered, runs []image.Run, short func(missing image.Run)) error {
	slab := make([]byte, total(runs))
	var mu sync.Mutex
	var missing []image.Run
	err := inBatches(ctx, make([][]byte, copyWorkers), runs, func(b batch, _ []byte) error {
		return memory.into(slab[b.at:], b.runs, func(r image.Run, have int) {
			mu.Lock()
			defer mu.Unlock()
			missing = append(missing, image.Run{Start: r.Start + uint64(have), Len: r.Len - uint64(have)})
		})
	})
	if err != nil {
		return err
	}
	for _, r := range runs {
		for at := r.Start; at < r.Start+r.Len; at, slab = at+pageSize, slab[pageSize:] {
			p.bytes[at] = slab[:pageSize:pageSize]
		}
	}
	p.runs = union(p.runs, runs)
	p.drop(sorted(missing))
	for _, r := range missing {
		short(r)
	}
	return nil
}

// drop gives up copies.
func (p *pages) drop(runs []image.Run) {
	for _, r := range runs {
		for at := r.Start; at < r.Start+r.Len; at += pageSize {
			delete(p.bytes, at)
		}
	}
	p.runs = subtract(p.runs, runs)
}

// ReadAt gives contents of pages of which there are copies.
func (p *pages) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		at := uint64(off) + uint64(n)
		page := p.bytes[at&^(pageSize-1)]
		if page == nil {
			return n, io.ErrUnexpectedEOF
		}
		n += copy(b[n:], page[at&(pageSize-1):])
	}
	return n, nil
}
