package save

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"ckpt/internal/image"
)

// pages are the contents of single pages, copied from a process.
type pages struct {
	bytes map[uint64][]byte // by address
	runs  []image.Run       // where they are
}

// read copies runs from /proc/PID/mem, in place of older copies.
func (p *pages) read(mem io.ReaderAt, runs []image.Run) error {
	slab := make([]byte, total(runs))
	places, n := make([][]byte, len(runs)), uint64(0)
	for i, r := range runs {
		places[i] = slab[n : n+r.Len : n+r.Len]
		n += r.Len
	}
	var next atomic.Int64
	errs := make([]error, copyWorkers)
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(runs) && errs[w] == nil; i = int(next.Add(1)) - 1 {
				_, errs[w] = mem.ReadAt(places[i], int64(runs[i].Start))
			}
		})
	}
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, r := range runs {
		for at := uint64(0); at < r.Len; at += pageSize {
			p.bytes[r.Start+at] = places[i][at : at+pageSize]
		}
	}
	p.runs = union(p.runs, runs)
	return nil
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
