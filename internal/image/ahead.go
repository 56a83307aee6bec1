package image

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/zeebo/xxh3"

	"ckpt/internal/sys"
)

// Memory can be copied ahead, while the processes run and it is not known yet what
// the image will hold. It gets its places first, in one stretch of the file behind
// room for headers. Later the layout has the places of what is still memory, the
// rest of the stretch is zeros, and what changed meanwhile is written once more.

// Stretch is a part of the file.
type Stretch struct {
	Pos uint64 `json:"pos"`
	Len uint64 `json:"len"`
}

// aheadHeaders is the room for program headers of the root beside twice those that
// the memory ahead would need: what is mapped or touched meanwhile needs some.
const aheadHeaders = 1 << 14

// ErrScattered says that an image has no room for the headers of all its memory,
// because so much was mapped since memory was copied ahead.
var ErrScattered = errors.New("memory is scattered over too many places")

// Ahead takes memory of processes before Layout is called: their areas and runs. It
// returns what takes the memory of each, and reserves disk space.
//
// Unlike with a layout, not every page has to be given.
func (w *Writer) Ahead(spaces []Space) ([]*SpaceWriter, error) {
	if w.placed != nil || w.ahead.Len > 0 {
		return nil, errors.New("image is laid out already")
	}
	p := &placed{}
	var all []*SpaceWriter
	for i := range spaces {
		s := &spaces[i]
		if err := checkAreas(s.Areas, maxFiles); err != nil {
			return nil, err
		}
		segs, err := p.cut(s.Areas, runsOf(s.Runs), nil, maxSegments)
		if err != nil {
			return nil, err
		}
		p.processes = append(p.processes, segs)
		all = append(all, &SpaceWriter{w: w, areas: slices.Clone(s.Areas), runs: slices.Clone(s.Runs), segs: segs, ahead: true})
	}
	n := 0
	for _, segs := range p.processes {
		n = max(n, len(segs))
	}
	from := alignUp(headersEnd(2*n + aheadHeaders))
	p.shift(from)
	if p.end > from {
		w.ahead = Stretch{from, p.end - from}
	}
	w.aheads = all
	for _, s := range all {
		if err := s.reserve(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fixed splits runs into what has a place ahead and what has none. It also gives
// what of the file was copied ahead in vain.
func (s *SpaceWriter) fixed(runs []Run) (there []stored, rest []Run, stale []fileRange) {
	for _, r := range runs {
		for at := r.Start; at < r.end(); {
			i := segmentFrom(s.segs, at)
			if i == len(s.segs) || uint64(s.segs[i].Start) >= r.end() {
				rest = append(rest, Run{at, r.end() - at})
				break
			}
			seg := &s.segs[i]
			from, to := max(at, uint64(seg.Start)), min(r.end(), seg.fileEnd())
			if from > at {
				rest = append(rest, Run{at, from - at})
			}
			if from < to {
				there = append(there, stored{Run: Run{from, to - from}, shared: true, ahead: true, pos: seg.Pos + from - uint64(seg.Start)})
			}
			if at = max(from, to); at < r.end() && at < uint64(seg.End) {
				next := min(r.end(), uint64(seg.End))
				rest = append(rest, Run{at, next - at})
				at = next
			}
		}
	}
	return there, rest, s.stale(there)
}

// stale lists what was copied ahead but for what is kept of it.
func (s *SpaceWriter) stale(kept []stored) (out []fileRange) {
	for _, r := range s.runs {
		at := r.Start
		for len(kept) > 0 && kept[0].end() <= at {
			kept = kept[1:]
		}
		for _, k := range kept {
			if k.Start >= r.end() {
				break
			}
			if k.Start > at {
				out = append(out, fileRange{s.pos(at), k.Start - at})
			}
			at = max(at, k.end())
		}
		if at < r.end() {
			out = append(out, fileRange{s.pos(at), r.end() - at})
		}
	}
	return out
}

// Rewrite writes what is at addr now to a place that memory has from being copied
// ahead: whole pages, for which Ahead tells true.
func (s *SpaceWriter) Rewrite(addr uint64, p []byte) error {
	n := uint64(len(p))
	if n == 0 || (addr|n)%PageSize != 0 || !s.Ahead(addr, n) {
		return fmt.Errorf("write image %s: %#x+%#x was not copied ahead", s.w.path, addr, n)
	}
	pos := s.pos(addr)
	if _, err := s.w.file.WriteAt(p, int64(pos)); err != nil {
		return s.w.fail(err)
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.rewritten = append(s.w.rewritten, fileRange{pos, n})
	return nil
}

// Put writes memory to its places, wherever they are: p is what is at addr, of which
// only the first have bytes have content. See WriteMemory and SkipMemory; what is
// ahead and has none is left as it is.
func (s *SpaceWriter) Put(addr uint64, p []byte, have int) error {
	for len(p) > 0 {
		i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].end() > addr })
		n := uint64(len(p))
		if i < len(s.runs) && s.runs[i].Start > addr {
			n = min(n, s.runs[i].Start-addr)
		}
		fresh := i < len(s.runs) && s.runs[i].Start <= addr
		if fresh {
			n = min(n, s.runs[i].end()-addr)
		} else if seg := segmentAt(s.segs, addr); seg != nil && seg.fileEnd() > addr {
			n = min(n, seg.fileEnd()-addr)
		}
		k := min(n, uint64(max(have, 0)))
		var err error
		switch {
		case fresh && k > 0:
			err = s.WriteMemory(addr, p[:k])
		case k > 0:
			err = s.Rewrite(addr, p[:k])
		}
		if err == nil && fresh && k < n {
			err = s.SkipMemory(addr+k, n-k)
		}
		if err != nil {
			return err
		}
		addr, p, have = addr+n, p[n:], have-int(n)
	}
	return nil
}

// Ahead reports whether the n bytes at addr have places from being copied ahead.
func (s *SpaceWriter) Ahead(addr, n uint64) bool {
	seg := segmentAt(s.segs, addr)
	return seg != nil && addr+n <= seg.fileEnd() && (s.ahead || seg.ahead)
}

// settle makes chunks of what was rewritten, and zeros of what was copied ahead in
// vain. It reads whole chunks back, for their checksums.
func (w *Writer) settle() error {
	stale, changed := merged(w.stale), merged(append(slices.Clone(w.stale), w.rewritten...))
	w.stale, w.rewritten = nil, nil
	if len(changed) == 0 {
		return nil
	}
	w.holes = without(merged(w.holes), changed)
	w.chunks.sort()
	var kept []Chunk
	again := changed
	for _, c := range w.chunks.memory {
		if r := (fileRange{c.Pos, uint64(c.Len)}); touches(changed, r) {
			again = append(again, r)
		} else {
			kept = append(kept, c)
		}
	}
	w.chunks.memory = kept
	for _, r := range stale {
		if err := w.clear(r); err != nil {
			return w.fail(err)
		}
	}
	return w.fail(w.rehash(without(merged(again), stale)))
}

// clear makes zeros of a part of the file.
func (w *Writer) clear(r fileRange) error {
	if r.len >= punchMin && sys.PunchHole(w.file, int64(r.pos), int64(r.len)) == nil {
		return nil
	}
	for r.len > 0 {
		n := min(r.len, uint64(len(zeros)))
		if _, err := w.file.WriteAt(zeros[:n], int64(r.pos)); err != nil {
			return err
		}
		r.pos, r.len = r.pos+n, r.len-n
	}
	return nil
}

// rehashWorkers is how many processors read the file back.
var rehashWorkers = min(2, runtime.GOMAXPROCS(0))

// rehash makes chunks of parts of the file as they stand there.
func (w *Writer) rehash(parts []fileRange) error {
	var todo []Chunk
	const piece = aheadChunk
	for _, r := range parts {
		for ; r.len > 0; r.pos, r.len = r.pos+uint64(todo[len(todo)-1].Len), r.len-uint64(todo[len(todo)-1].Len) {
			todo = append(todo, Chunk{Pos: r.pos, Len: uint32(min(r.len, piece))})
		}
	}
	errs := make([]error, rehashWorkers)
	var workers sync.WaitGroup
	for i := range errs {
		workers.Go(func() {
			buf := make([]byte, piece)
			for n := i; n < len(todo) && errs[i] == nil; n += len(errs) {
				c := &todo[n]
				_, errs[i] = w.file.ReadAt(buf[:c.Len], int64(c.Pos))
				c.Sum = xxh3.Hash(buf[:c.Len])
			}
		})
	}
	workers.Wait()
	w.chunks.memory = append(w.chunks.memory, todo...)
	return errors.Join(errs...)
}

// merged puts ranges in order and joins those that touch.
func merged(ranges []fileRange) (out []fileRange) {
	slices.SortFunc(ranges, func(a, b fileRange) int { return cmp.Compare(a.pos, b.pos) })
	for _, r := range ranges {
		if n := len(out); n > 0 && r.pos <= out[n-1].end() {
			out[n-1].len = max(out[n-1].end(), r.end()) - out[n-1].pos
			continue
		}
		out = append(out, r)
	}
	return out
}

// touches reports whether r has a byte in common with one of the ranges, which are
// as merged makes them.
func touches(ranges []fileRange, r fileRange) bool {
	i, _ := slices.BinarySearchFunc(ranges, r.pos, func(x fileRange, pos uint64) int {
		if x.end() <= pos {
			return -1
		}
		return 1
	})
	return i < len(ranges) && ranges[i].pos < r.end()
}

// without gives what of a is not in b, both as merged makes them.
func without(a, b []fileRange) (out []fileRange) {
	for _, r := range a {
		for len(b) > 0 && b[0].end() <= r.pos {
			b = b[1:]
		}
		for _, x := range b {
			if x.pos >= r.end() {
				break
			}
			if x.pos > r.pos {
				out = append(out, fileRange{r.pos, x.pos - r.pos})
			}
			end := max(r.pos, x.end())
			r.pos, r.len = end, r.end()-min(r.end(), end)
		}
		if r.len > 0 {
			out = append(out, r)
		}
	}
	return out
}
