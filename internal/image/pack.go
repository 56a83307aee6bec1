package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"syscall"

	"ckpt/internal/seekable"
	"ckpt/internal/sys"
)

// A compressed image is the plain one in the seekable zstd format, which is
// written from its beginning to its end. What is given in another order, while
// the saved process stands still, goes to a scratch file as it is, so that
// nothing waits for the compression; Compress takes it from there, and the rest
// from where the memory is.

// packer is the side of a Writer that compresses.
type packer struct {
	level   int
	scratch *os.File // has no name any more
	out     *seekable.Writer
	later   []laterRun
	done    bool  // memory and payload are in out
	size    int64 // of the file, at the end
}

// laterRun is memory that only Compress reads.
type laterRun struct {
	fileRange
	space *SpaceWriter
	addr  uint64
	read  ReadMemory
}

// ReadMemory fills p with the memory at addr, both whole pages. Only the first n
// bytes have content, whole pages as well; see SpaceWriter.SkipMemory.
type ReadMemory func(p []byte, addr uint64) (n int, err error)

const (
	// usualRatio is how many times smaller the memory of programs becomes, as an
	// estimate for messages: real ones have 3 to 12.
	usualRatio = 4
	// bestRatio is what a disk that is fuller than that is too full for, whatever
	// the memory is.
	bestRatio = 12
)

// CompressWith says that the image is to be compressed, before Layout. level is
// one of zstd, 1 to 22.
func (w *Writer) CompressWith(level int) error {
	if w.placed != nil {
		return errors.New("image is laid out already")
	}
	scratch, err := w.temp.scratch()
	if err != nil {
		return w.fail(err)
	}
	w.pack, w.file = &packer{level: level, scratch: scratch}, scratch
	return nil
}

// scratch makes a file beside t that has no name.
func (t *tempFile) scratch() (*os.File, error) {
	name := t.uniqueName(t.dest[:min(len(t.dest), maxTempBase)])
	f, err := t.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	// Another writer may have taken it for a dead one's and removed it.
	if err := t.dir.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (p *packer) close() {
	if p != nil {
		p.scratch.Close()
	}
}

// layout begins the file, now that the length of the headers is known. A disk
// that is sure to be too small is an ENOSPC; one that may be shows later.
func (p *packer) layout(w *Writer) (err error) {
	if p == nil {
		return nil
	}
	free, err := sys.DiskFree(filepath.Dir(w.path))
	if err == nil && free < w.planned/bestRatio {
		return fmt.Errorf("%w: %d bytes are free", syscall.ENOSPC, free)
	}
	front := alignUp(headersEnd(len(w.placed.processes[0])))
	p.out, err = seekable.NewWriter(w.temp.file, int64(front), p.level, runtime.GOMAXPROCS(0))
	return err
}

// Later says that the memory of runs is to be read when it is compressed. Only
// for images that are.
func (s *SpaceWriter) Later(runs []Run, read ReadMemory) error {
	for _, r := range runs {
		if err := s.checkInRun(r.Start, r.Len); err != nil {
			return err
		}
		s.w.pack.later = append(s.w.pack.later, laterRun{fileRange{s.pos(r.Start), r.Len}, s, r.Start, read})
	}
	return nil
}

// Compress reads what is left and compresses all memory and payload, on all
// processors. step may be nil; it is called for every frame, by several
// goroutines, with how many of its bytes were left to be read. Nothing can be
// added afterwards. A plain image is left as it is. Finish does it if it was not
// done.
func (w *Writer) Compress(ctx context.Context, step func(n uint64)) error {
	p := w.pack
	if p == nil || p.done || p.out == nil {
		return nil
	}
	p.done = true
	w.mu.Lock()
	end := w.payloadEnd
	given := slices.Concat(w.chunks.memory, w.chunks.payload)
	w.mu.Unlock()
	slices.SortFunc(given, func(a, b Chunk) int { return cmp.Compare(a.Pos, b.Pos) })
	slices.SortFunc(p.later, func(a, b laterRun) int { return cmp.Compare(a.pos, b.pos) })
	frames := seekable.Cut(nil, p.out.End(), int64(end), func(yield func(off, n int64) bool) {
		c, l := given, p.later
		for len(c)+len(l) > 0 {
			var next fileRange
			if len(l) == 0 || len(c) > 0 && c[0].Pos < l[0].pos {
				next, c = fileRange{c[0].Pos, uint64(c[0].Len)}, c[1:]
			} else {
				next, l = l[0].fileRange, l[1:]
			}
			if !yield(int64(next.pos), int64(next.len)) {
				return
			}
		}
	})
	return w.fail(p.out.Add(ctx, frames, func(b []byte, off int64) error {
		clear(b)
		if err := p.readGiven(given, b, uint64(off)); err != nil {
			return err
		}
		n, err := p.readLater(b, uint64(off))
		if step != nil && err == nil {
			step(n)
		}
		return err
	}))
}

// readGiven reads what the scratch file has of the image's bytes at pos.
func (p *packer) readGiven(given []Chunk, b []byte, pos uint64) error {
	end := pos + uint64(len(b))
	for _, c := range given[chunkFrom(given, pos):] {
		if c.Pos >= end {
			break
		}
		from, to := max(pos, c.Pos), min(end, c.end())
		if _, err := p.scratch.ReadAt(b[from-pos:to-pos], int64(from)); err != nil {
			return fmt.Errorf("read what is to be compressed: %w", err)
		}
	}
	return nil
}

// readLater reads what was left to be read of the image's bytes at pos.
func (p *packer) readLater(b []byte, pos uint64) (done uint64, err error) {
	end := pos + uint64(len(b))
	first := sort.Search(len(p.later), func(i int) bool { return p.later[i].end() > pos })
	for _, l := range p.later[first:] {
		if l.pos >= end {
			break
		}
		from, to := max(pos, l.pos), min(end, l.end())
		part, addr := b[from-pos:to-pos], l.addr+from-l.pos
		n, err := l.read(part, addr)
		if err != nil {
			return 0, err
		}
		if n > 0 {
			err = l.space.add(addr, part[:n], false, func([]byte, int64) error { return nil })
		}
		if rest := part[n:]; len(rest) > 0 && err == nil {
			clear(rest)
			err = l.space.SkipMemory(addr+uint64(n), uint64(len(rest)))
		}
		if err != nil {
			return 0, err
		}
		done += uint64(len(part))
	}
	return done, nil
}

// finish compresses what is behind the payload, which is in the scratch file up
// to end, and writes the rest of the file.
func (p *packer) finish(w *Writer, headers []byte, end int64) error {
	from := p.out.End()
	frames := seekable.Cut(nil, from, end, func(yield func(off, n int64) bool) { yield(from, end-from) })
	if uint64(len(headers))+uint64(end-from) > budgetOf(uint64(p.out.Size())) {
		for i := range frames {
			frames[i].Stored = true // a reader must believe that there is so much
		}
	}
	err := p.out.Add(context.Background(), frames, func(b []byte, off int64) error {
		_, err := p.scratch.ReadAt(b, off)
		return err
	})
	if err != nil {
		return err
	}
	front := make([]byte, alignUp(uint64(len(headers))))
	copy(front, headers)
	if err := p.out.Front(front); err != nil {
		return err
	}
	p.size, err = p.out.Finish()
	return err
}
