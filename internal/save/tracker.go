package save

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"sync"

	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/proc"
)

// tracker knows what a process has written to since its last image, if that is
// known, and what it writes to from now on. Its own notes are what it took from the
// kernel's, which begin anew each time.
type tracker struct {
	held  *held
	watch *watch
	stray bool         // the process has other markers or userfaultfds of ours, too
	base  *trackerBase // nil: everything may have changed
	// noted is what was written to since the base, as far as that was taken before
	// the process was frozen, and recent what of that is newer than ahead.
	noted, recent []image.Run
	unnoted       []image.Run // what the base has without noted
	ahead         *pages      // content of noted anonymous memory; nil: it is not copied ahead
}

// trackerBase is the process in the last image.
type trackerBase struct {
	areas []image.Area
	files []image.OpenFile
	saved []image.Run // what it has of them
}

func newTrackerBase(im *image.Image, process int) *trackerBase {
	b := &trackerBase{areas: im.Process(process).Areas, files: im.Manifest().Files}
	var pieces []image.Piece
	for i := range b.areas {
		pieces = im.Space(process).AppendPieces(pieces[:0], uint64(b.areas[i].Start), uint64(b.areas[i].End))
		for _, p := range pieces {
			b.saved = appendRun(b.saved, p.Addr, p.Addr+p.Len)
		}
	}
	return b
}

// trackable reports whether writes to the mapping can be noted: nobody else writes
// to private memory.
func trackable(v *proc.VMA) bool {
	k := kindOf(v)
	return (k == image.Anonymous || k == image.PrivateFile) && v.Start < uint64(image.MaxAddr) && v.Path != "[uprobes]"
}

// errUntracked says that writes to memory can not be noted.
var errUntracked = errors.New("writes to it can not be noted")

// take takes the kernel's notes about [start, end). fresh says that there were none
// until now. Where there is no page in anonymous memory always counts as written: to
// note it would take page tables for all of a mapping that hardly is used, in which each
// page would look as if it were swapped out.
func (t *tracker) take(start, end uint64, anonymous bool) (found []image.Run, fresh bool, err error) {
	found, err = t.watch.takeAll(start, end, anonymous)
	if errors.Is(err, errUnwatched) {
		if fresh = true; t.watch.add(start, end) != nil {
			return nil, true, errUntracked // somebody else watches it, or it is of a special kind
		}
		found, err = t.watch.takeAll(start, end, anonymous)
	}
	return found, fresh, err
}

// takeAll is take, on all processors where it pays, for memory that is watched.
func (w *watch) takeAll(start, end uint64, anonymous bool) ([]image.Run, error) {
	parts := max(1, min(uint64(runtime.GOMAXPROCS(0)), (end-start)/scanPiece))
	if parts == 1 {
		return w.take(start, end, anonymous)
	}
	begin := start &^ (tableSize - 1) // page tables are not cut
	size := ((end-begin)/parts + tableSize) &^ (tableSize - 1)
	found := make([][]image.Run, parts)
	errs := spread(int(parts), 1, func(i int) (err error) {
		own, at := *w, begin+uint64(i)*size
		own.buf = nil
		found[i], err = own.take(max(at, start), min(at+size, end), anonymous)
		return err
	})
	var all []image.Run
	for _, f := range found {
		for _, r := range f {
			all = appendRun(all, r.Start, r.Start+r.Len)
		}
	}
	return all, errors.Join(errs...)
}

func (w *watch) take(start, end uint64, anonymous bool) (found []image.Run, err error) {
	err = w.written(start, end, !anonymous, func(from, to uint64) { found = appendRun(found, from, to) })
	if !anonymous || err != nil {
		return found, err
	}
	var armed []image.Run // some of them, and what was written to just now
	for i := 0; i < len(found); {
		from, to := found[i].Start, found[i].Start+found[i].Len
		for i++; i < len(found) && found[i].Start <= to+tableSize; i++ {
			to = found[i].Start + found[i].Len
		}
		if err := w.arm(from, to, 0, func(from, to, _ uint64) { armed = appendRun(armed, from, to) }); err != nil {
			return nil, err
		}
	}
	return union(found, armed), nil
}

// note takes the kernel's notes about all memory of the running process, and gives
// what of it, in anonymous memory, is there.
func (t *tracker) note(p proc.Process) ([]image.Run, error) {
	vmas, err := p.Maps()
	if err != nil {
		return nil, err
	}
	scanner, err := newPageScanner(p)
	if err != nil {
		return nil, err
	}
	defer scanner.Close()
	var noted, there []image.Run
	for i := range vmas {
		v := &vmas[i]
		if !trackable(v) {
			continue
		}
		found, _, err := t.take(v.Start, v.End, kindOf(v) == image.Anonymous)
		if err != nil {
			continue // it changes meanwhile, or will be found out when it is frozen
		}
		noted = append(noted, found...)
		if kindOf(v) == image.Anonymous {
			for _, r := range found {
				if err := scanner.private(r.Start, r.Start+r.Len, func(from, to uint64) { there = appendRun(there, from, to) }); err != nil {
					return nil, err
				}
			}
		}
	}
	t.noted, t.recent = union(t.noted, noted), union(t.recent, noted)
	t.unnoted = subtract(t.base.saved, t.noted)
	return there, nil
}

// gone lists page tables in which there are runs, and that were given back to the
// kernel as a whole, with all of their pages, which it does not note. Of what it does
// note there must be nothing in the runs.
func (t *tracker) gone(lists ...[]image.Run) ([]image.Run, error) {
	var tables []image.Run // a page of each that has to be there
	for _, list := range lists {
		for _, r := range list {
			for at := r.Start; at < r.Start+r.Len; at = at&^(tableSize-1) + tableSize {
				tables = append(tables, image.Run{Start: at, Len: pageSize})
			}
		}
	}
	slices.SortFunc(tables, func(a, b image.Run) int { return cmp.Compare(a.Start, b.Start) })
	tables = slices.CompactFunc(tables, func(a, b image.Run) bool { return a.Start/tableSize == b.Start/tableSize })
	gone := make([]bool, len(tables))
	errs := make([]error, runtime.GOMAXPROCS(0))
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() {
			for i := w; i < len(tables) && errs[w] == nil; i += len(errs) {
				var armed bool
				armed, errs[w] = t.watch.armed(tables[i].Start)
				gone[i] = !armed
			}
		})
	}
	workers.Wait()
	var out []image.Run
	for i := range tables {
		if gone[i] {
			out = appendRun(out, tables[i].Start&^(tableSize-1), tables[i].Start&^(tableSize-1)+tableSize)
		}
	}
	return out, errors.Join(errs...)
}

// tracked reports whether the tracker knows more about an area than that it is there.
func tracked(a *image.Area) bool {
	return (a.Kind == image.Anonymous || a.Kind == image.PrivateFile) && !a.HasFlag("dp")
}

// areaContent is what is to be saved of an area, and where it is.
type areaContent struct {
	kept  []image.Run // in the base
	ahead []image.Run // copied already
	rest  []image.Run // in the process
}

// content finds out what is to be saved of an area of the frozen process.
func (t *tracker) content(s *pageScanner, a *image.Area) (c areaContent, err error) {
	start, end := uint64(a.Start), uint64(a.End)
	private := func(r image.Run) (there []image.Run, err error) {
		err = s.inArea(a, r.Start, r.Start+r.Len, func(from, to uint64) { there = appendRun(there, from, to) })
		return there, err
	}
	// What arming leaves where no page of a file is looks like one that is swapped out.
	var own []image.Run
	if a.Kind == image.PrivateFile || t.base == nil {
		if own, err = private(image.Run{Start: start, Len: end - start}); err != nil {
			return c, err
		}
	}
	last, fresh, err := t.take(start, end, a.Kind == image.Anonymous)
	if err != nil {
		return c, err
	}
	known := t.base != nil && !fresh
	changed := union(within(t.noted, image.Run{Start: start, Len: end - start}), last)
	if a.Kind == image.PrivateFile {
		var there []image.Run
		err := s.present(start, end, func(from, to uint64) { there = appendRun(there, from, to) })
		return t.fileContent(a, own, there, changed, known), err
	}
	var look []image.Run
	switch {
	case known:
		var short []image.Run
		c.kept, short = limitKept(subtract(t.base.of(t.unnoted, a), last))
		look = union(changed, short)
	case t.base != nil:
		look = []image.Run{{Start: start, Len: end - start}}
	default:
		c.rest = own
	}
	if t.ahead != nil {
		c.ahead = subtract(within(t.ahead.runs, image.Run{Start: start, Len: end - start}), union(within(t.recent, image.Run{Start: start, Len: end - start}), last))
	}
	gone, err := t.gone(c.kept, c.ahead)
	if err != nil {
		return c, err
	}
	c.kept, c.ahead = subtract(c.kept, gone), subtract(c.ahead, gone)
	for _, r := range subtract(look, c.ahead) {
		there, err := private(r)
		if err != nil {
			return c, err
		}
		c.rest = append(c.rest, there...)
	}
	return c, nil
}

// fileContent is content for a private mapping of a file, of which the process has
// own pages. The kernel does not note when it gives some of these back, and has the
// file's again; they look swapped out then. there are those that are certainly there.
func (t *tracker) fileContent(a *image.Area, own, there, changed []image.Run, known bool) (c areaContent) {
	var ownThen []image.Run
	if known {
		// Who had none of its own, and has not written, still has none: see content.
		ownThen = t.base.own(a)
		unknown := subtract([]image.Run{{Start: uint64(a.Start), Len: uint64(a.End - a.Start)}}, t.base.covers(a))
		own = intersect(own, union(union(ownThen, changed), unknown))
	}
	c.rest = own
	if a.Whole {
		for _, r := range own {
			a.Dirty = append(a.Dirty, image.AddrRange{Start: image.Addr(r.Start), End: image.Addr(r.Start + r.Len)})
		}
		c.rest = []image.Run{{Start: uint64(a.Start), Len: uint64(a.End - a.Start)}}
	}
	if !known {
		return c
	}
	// What was its own and still is, and what was the file's and still is.
	saved := t.base.of(t.base.saved, a)
	c.kept = intersect(intersect(saved, ownThen), there)
	if a.Whole {
		c.kept = union(c.kept, subtract(subtract(saved, ownThen), own))
	}
	c.kept, _ = limitKept(subtract(c.kept, changed))
	c.rest = subtract(c.rest, c.kept)
	return c
}

// mostKept is how many runs of an area are kept, if some are shorter than keptLong
// bytes: each is a segment in the image.
const (
	mostKept = 1 << 17
	keptLong = 64 << 10
)

func limitKept(runs []image.Run) (kept, short []image.Run) {
	if len(runs) <= mostKept {
		return runs, nil
	}
	for _, r := range runs {
		if r.Len < keptLong {
			short = append(short, r)
		} else {
			kept = append(kept, r)
		}
	}
	return kept, short
}

// each calls f with the parts of areas of the base that an area of the process can
// go on from. Pages of a Whole one can be the file's, which must be what it was.
func (b *trackerBase) each(a *image.Area, f func(was *image.Area, from, to uint64)) {
	for i := range b.areas {
		was := &b.areas[i]
		from, to := max(a.Start, was.Start), min(a.End, was.End)
		if from >= to || a.Kind != was.Kind || a.Whole != was.Whole {
			continue
		}
		if a.Whole && (a.Offset-uint64(a.Start) != was.Offset-uint64(was.Start) || was.File < 0 || kind.Unchanged(&b.files[was.File]) != nil) {
			continue
		}
		f(was, uint64(from), uint64(to))
	}
}

// of is what of the runs, which it has, it has of an area.
func (b *trackerBase) of(runs []image.Run, a *image.Area) (out []image.Run) {
	b.each(a, func(_ *image.Area, from, to uint64) {
		out = append(out, within(runs, image.Run{Start: from, Len: to - from})...)
	})
	return out
}

// covers is what of an area the base has areas for.
func (b *trackerBase) covers(a *image.Area) (out []image.Run) {
	b.each(a, func(_ *image.Area, from, to uint64) { out = appendRun(out, from, to) })
	return out
}

// own is what of a mapped file was the process's own.
func (b *trackerBase) own(a *image.Area) (out []image.Run) {
	if !a.Whole {
		return b.of(b.saved, a)
	}
	b.each(a, func(was *image.Area, from, to uint64) {
		out = append(out, within(dirtyRuns(was), image.Run{Start: from, Len: to - from})...)
	})
	return out
}

// flags are those of the areas that a mapping was in the base, if it was in one.
func (b *trackerBase) flags(v *proc.VMA) ([]string, bool) {
	for i := range b.areas {
		was := &b.areas[i]
		if uint64(was.Start) < v.End && v.Start < uint64(was.End) && was.Kind == kindOf(v) && was.Name == v.Path {
			return slices.Clone(was.Flags), true
		}
	}
	return nil, false
}

// close gives up what belongs to this engine; the process goes on holding its part.
func (t *tracker) close() {
	t.watch.Close()
	closeHeld([]*held{t.held})
}
