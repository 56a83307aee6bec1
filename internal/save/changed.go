package save

import (
	"context"
	"io"
	"slices"
	"sort"
	"sync"

	"ckpt/internal/image"
)

// captureMost is how much of a frozen process, in bytes, is copied into memory of
// ours, so that it need not wait for the image. Of more there is a twin.
const captureMost = 64 << 20

// changes is what a frozen process has in memory that was copied ahead, or that
// was not.
type changes struct {
	private []image.Run // pages that belong to no file
	need    []image.Run // what has to be copied, as part of the pages of the image or all of them
	pages   []byte      // what of them was captured, one behind the other
	starts  []uint64    // of the runs of need, in pages
	missing []image.Run // of need, pages of files that are not there
	mu      sync.Mutex
}

// scanPiece is how much memory is scanned at once, in bytes.
const scanPiece = 64 << 20

// findChanges finds out what has to be copied of a process that was copied ahead.
func (m *member) findChanges(ctx context.Context) error {
	a := m.ahead
	a.missed = union(nil, a.missed)
	var parts []changesPart
	for i := range m.p.Areas {
		area := &m.p.Areas[i]
		switch area.Kind {
		case image.Anonymous, image.PrivateFile:
			parts = append(parts, a.parts(area)...)
		case image.VDSO:
			parts = append(parts, changesPart{area: area, Run: runOf(area), all: true})
		case image.SharedFile:
			if area.Whole {
				parts = append(parts, changesPart{area: area, Run: runOf(area), all: true})
			}
		}
	}
	pagemap, err := newPageScanner(m.s.proc)
	if err != nil {
		return err
	}
	defer pagemap.Close()
	var ended [copyWorkers]outcome
	var workers sync.WaitGroup
	for i := range ended {
		// Each has buffers of its own.
		w, s := *a.watch, *pagemap
		w.buf, s.buf = nil, nil
		workers.Go(func() {
			ended[i] = call(func() error {
				for n := i; n < len(parts) && ctx.Err() == nil; n += len(ended) {
					if err := parts[n].scan(a, &w, &s); err != nil {
						return err
					}
				}
				return ctx.Err()
			})
		})
	}
	workers.Wait()
	for _, o := range ended {
		if err := o.result(); err != nil {
			return err
		}
	}
	m.changes = &changes{}
	for i := range parts {
		m.changes.private = append(m.changes.private, parts[i].private...)
		m.changes.need = append(m.changes.need, parts[i].need...)
	}
	return nil
}

func runOf(a *image.Area) image.Run { return image.Run{Start: uint64(a.Start), Len: a.Size()} }

// changesPart is a part of an area.
type changesPart struct {
	image.Run
	area          *image.Area
	all           bool // nothing is known of it
	private, need []image.Run
}

// parts cuts an area into parts for several processors.
func (a *ahead) parts(area *image.Area) (all []changesPart) {
	whole := changesPart{area: area, Run: runOf(area)}
	err := a.watch.written(whole.Start, whole.Start+pageSize, false, func(uint64, uint64) {})
	if whole.all = err != nil; whole.all {
		return []changesPart{whole}
	}
	size := max(scanPiece, whole.Len/64&^(tableSize-1))
	for at := whole.Start; at < whole.Start+whole.Len; {
		// Page tables are not cut.
		end := min((at+size)&^(tableSize-1), whole.Start+whole.Len)
		part := whole
		part.Run = image.Run{Start: at, Len: end - at}
		all = append(all, part)
		at = end
	}
	return all
}

// scan finds out about a part.
func (p *changesPart) scan(a *ahead, w *watch, s *pageScanner) error {
	whole := []image.Run{p.Run}
	changed := whole
	copied := within(a.private, p.Run)
	if !p.all {
		changed = nil
		err := w.written(p.Start, p.Start+p.Len, false, func(start, end uint64) { changed = appendRun(changed, start, end) })
		if err != nil {
			return err
		}
		if len(a.missed) > 0 {
			changed = union(changed, within(a.missed, p.Run))
		}
		gone, err := w.gone(subtract(copied, changed))
		if err != nil {
			return err
		}
		changed = union(changed, gone)
		if p.area.Kind == image.PrivateFile && len(copied) > 0 {
			// That pages are given back, so that the file's show again, is not noted.
			var there []image.Run
			if err := s.present(p.Start, p.Start+p.Len, func(start, end uint64) { there = appendRun(there, start, end) }); err != nil {
				return err
			}
			changed = union(changed, subtract(copied, there))
		}
	}
	var now []image.Run
	if p.area.Kind == image.Anonymous || p.area.Kind == image.PrivateFile {
		for _, r := range changed {
			if err := s.inArea(p.area, r.Start, r.Start+r.Len, func(start, end uint64) { now = appendRun(now, start, end) }); err != nil {
				return err
			}
		}
		p.private = union(subtract(copied, changed), now)
	}
	switch {
	case p.all && (p.area.Whole || p.area.Kind == image.VDSO):
		p.need = whole
	case p.area.Whole:
		p.need = union(changed, subtract(whole, within(a.runs, p.Run)))
	default:
		p.need = now
	}
	return nil
}

// gone finds out which of pages that were armed, and are not known to be written
// to, were given back with all of their page table.
func (w *watch) gone(runs []image.Run) (gone []image.Run, err error) {
	table, there := ^uint64(0), false
	for _, r := range runs {
		for at, end := r.Start, r.Start+r.Len; at < end; {
			to := min(end, at&^(tableSize-1)+tableSize)
			if of := at / tableSize; of != table {
				table = of
				if there, err = w.armed(at); err != nil {
					return nil, err
				}
			}
			if !there {
				gone = appendRun(gone, at, to)
			}
			at = to
		}
	}
	return gone, nil
}

// capture copies what has changed.
func (m *member) capture(ctx context.Context) error {
	ch := m.changes
	n := uint64(0)
	for _, r := range ch.need {
		ch.starts = append(ch.starts, n)
		n += r.Len
	}
	if ch.pages = m.ahead.room; ch.pages == nil || n > uint64(len(ch.pages)) {
		ch.pages = make([]byte, n)
	}
	from := &copier{mem: m.frozen.mem, areas: m.p.Areas}
	memory := &scattered{pid: m.s.proc.PID, read: from.read}
	return inBatches(ctx, m.c.before.buffers[:], ch.need, func(b batch, _ []byte) error {
		return memory.into(ch.pages[b.at:], b.runs, func(r image.Run, have int) {
			ch.mu.Lock()
			defer ch.mu.Unlock()
			ch.missing = append(ch.missing, image.Run{Start: r.Start + uint64(have), Len: r.Len - uint64(have)})
		})
	})
}

// at is where a part of a run of need is in pages.
func (ch *changes) at(p image.Run) []byte {
	i := sort.Search(len(ch.need), func(i int) bool { return ch.need[i].Start > p.Start }) - 1
	from := ch.starts[i] + p.Start - ch.need[i].Start
	return ch.pages[from : from+p.Len]
}

// visitPrivate makes changes a source of findRuns.
func (ch *changes) visitPrivate() visitPages { return visitRuns(ch.private) }

// putChanges writes what has changed to its places: what was captured, or else what
// mem shows.
func (m *member) putChanges(ctx context.Context, mem io.ReaderAt) error {
	ch := m.changes
	missing := sorted(ch.missing)
	into := m.copier(mem)
	return inPieces(ctx, m.c.before.buffers[:], intersect(ch.need, m.runs), func(p image.Run, b []byte) error {
		n := len(b)
		if ch.pages != nil {
			b = ch.at(p)
			for _, x := range within(missing, p) {
				n = min(n, int(x.Start-p.Start)) // files end once
			}
		} else {
			var err error
			if n, err = into.read(b, p.Start); err != nil {
				return err
			}
		}
		if err := m.space().Put(p.Start, b, n); err != nil {
			return &StoreError{m.c.o.Path, err}
		}
		m.c.step(p.Len)
		return nil
	})
}

// union joins two lists.
func union(a, b []image.Run) (out []image.Run) {
	if len(b) == 0 {
		return a // as it is mostly
	}
	for _, r := range sorted(slices.Concat(a, b)) {
		if n := len(out); n > 0 && r.Start <= out[n-1].Start+out[n-1].Len {
			last := &out[n-1]
			last.Len = max(last.Start+last.Len, r.Start+r.Len) - last.Start
			continue
		}
		out = append(out, r)
	}
	return out
}
