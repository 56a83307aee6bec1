package save

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// After fork(2) parent and child have the same pages, until one of them writes.
// What is still so when they are saved is in the image once, and is shared again
// by a restore. Only root is told which physical page is where; of other users'
// processes the content is compared, as far as that takes no time.

const (
	// sameCompare is how much memory is compared, in bytes: 5 ms.
	sameCompare = 16 << 20
	// sameSiblings is how many elder siblings a process is compared with.
	sameSiblings = 4
	// sameRanges is how many ranges of a process can be others' as well, if they
	// are shorter than sameLong bytes: each is a segment in the image.
	sameRanges = 1 << 14
	sameLong   = 64 << 10
)

// cowPages are pages that a process has for itself, but that are not mapped by it
// only.
type cowPages struct {
	image.Run
	entries []uint64 // of the page map, without what is not about the page
}

// pagemapPage are the bits of an entry that name the page or its place in swap
// space, and pagemapExclusive says that nobody else has it mapped.
const (
	pagemapPage      = 1<<55 - 1
	pagemapExclusive = 1 << 56
	// pagemapArmed is that of pages that are watched. Without a page it looks as if
	// that were swapped out.
	pagemapArmed = 1 << 57
)

// findShared finds the pages that are a process's own, and those of them that others may
// have as well. There must be no twins yet, which have all of them. small is that of
// pageScanner.everywhere.
func findShared(p proc.Process, vmas []proc.VMA, small bool) (private []image.Run, shared []cowPages, err error) {
	scanner, err := newPageScanner(p)
	if err != nil {
		return nil, nil, err
	}
	defer scanner.Close()
	if private, err = scanner.everywhere(vmas, small); err == nil {
		shared, err = scanner.shared(private)
	}
	return private, shared, err
}

// shared finds those of private pages that others may have as well.
func (s *pageScanner) shared(private []image.Run) ([]cowPages, error) {
	var all []cowPages
	for len(private) > 0 {
		// What lies close together is read at once.
		n, start, end := 1, private[0].Start, private[0].Start+private[0].Len
		for n < len(private) && private[n].Start-end < sharedGap {
			end = private[n].Start + private[n].Len
			n++
		}
		entries, err := s.entries(start, end)
		if err != nil {
			return nil, err
		}
		for _, r := range private[:n] {
			at := (r.Start - start) / pageSize
			all = appendShared(all, r.Start, entries[at:at+r.Len/pageSize])
		}
		private = private[n:]
	}
	return all, nil
}

// sharedGap is how much memory without private pages, in bytes, takes less time than
// another call.
const sharedGap = 32 * pageSize

// appendShared appends those of the pages from start on that others may have.
func appendShared(all []cowPages, start uint64, entries []uint64) []cowPages {
	for i, e := range entries {
		if e&pagemapExclusive != 0 || e&pagemapSwapped != 0 && e&pagemapArmed != 0 {
			continue
		}
		at := start + uint64(i)*pageSize
		if n := len(all); n == 0 || all[n-1].Start+all[n-1].Len != at {
			all = append(all, cowPages{Run: image.Run{Start: at}})
		}
		last := &all[len(all)-1]
		last.Len += pageSize
		last.entries = append(last.entries, e&(pagemapPage|pagemapPresent|pagemapSwapped))
	}
	return all
}

// entries reads the page map.
func (s *pageScanner) entries(start, end uint64) ([]uint64, error) {
	b := make([]byte, (end-start)/pageSize*8)
	if _, err := s.pagemap.ReadAt(b, int64(start/pageSize*8)); err != nil {
		return nil, fmt.Errorf("read the page map of %#x-%#x: %w", start, end, err)
	}
	entries := make([]uint64, len(b)/8)
	for i := range entries {
		entries[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return entries, nil
}

// findSame finds what of the processes' memory is that of an earlier one, and
// takes it out of their runs.
func (c *collector) findSame() error {
	var budget atomic.Int64
	if !c.frozen.freed { // else what they show now is something else
		budget.Store(sameCompare)
	}
	for _, m := range c.members {
		m.stored = m.runs
	}
	return c.together(func(m *member) error {
		if !m.hasMemory() {
			return nil
		}
		for _, other := range c.relatives(m.index) {
			pages, err := m.sameAs(other, &budget)
			if err != nil {
				return err
			}
			for _, r := range intersect(intersect(pages, m.runs), other.stored) {
				m.same = append(m.same, image.Same{Run: r, Process: other.index})
			}
			m.limitSame()
			m.runs = subtract(m.stored, m.sameRuns())
		}
		return nil
	})
}

// relatives are processes that may have pages in common with that of an index:
// the parent, and siblings that were made before.
func (c *collector) relatives(i int) (list []*member) {
	parent := c.members[i].s.stat.PPid
	if p := c.member(parent); p != nil {
		if with := p.s.shares.Memory; with != 0 {
			p = c.member(with)
		}
		if p.hasMemory() && p.index < i {
			list = append(list, p)
		}
	}
	for _, m := range slices.Backward(c.members[:i]) {
		if len(list) > sameSiblings {
			break
		}
		if m.s.stat.PPid == parent && m.hasMemory() {
			list = append(list, m)
		}
	}
	return list
}

// limitSame leaves out short ranges if there are too many of them.
func (m *member) limitSame() {
	slices.SortFunc(m.same, func(a, b image.Same) int { return cmp.Compare(a.Start, b.Start) })
	if len(m.same) > sameRanges {
		m.same = slices.DeleteFunc(m.same, func(s image.Same) bool { return s.Len < sameLong })
	}
}

func (m *member) sameRuns() (runs []image.Run) {
	for _, s := range m.same {
		runs = append(runs, s.Run)
	}
	return runs
}

// sameAs lists what of the process's memory is that of another one.
func (m *member) sameAs(other *member, budget *atomic.Int64) ([]image.Run, error) {
	var out []image.Run
	for i, j := 0, 0; i < len(m.mappings) && j < len(other.mappings); {
		a, b := &m.mappings[i], &other.mappings[j]
		from, to := uint64(max(a.Start, b.Start)), uint64(min(a.End, b.End))
		if from < to && a.Whole && b.Whole && a.sameFileAs(b) {
			// What neither of them has written to is the file's.
			written := sorted(append(dirtyRuns(&m.p.Areas[i]), dirtyRuns(&other.p.Areas[j])...))
			out = append(out, subtract([]image.Run{{Start: from, Len: to - from}}, written)...)
		}
		if a.End <= b.End {
			i++
		} else {
			j++
		}
	}
	pages, err := m.samePages(other, budget)
	if err != nil {
		return nil, err
	}
	// What one of them had to lend to injected calls is not in its twin as it was.
	touched := sorted(append(slices.Clone(m.touched), other.touched...))
	return m.insideAreas(other, union(out, subtract(pages, touched))), nil
}

// sameFileAs reports whether two mappings show the same part of a file at the
// same addresses.
func (m *mapping) sameFileAs(o *mapping) bool {
	v, w := m.vma, o.vma
	return v.DevMajor == w.DevMajor && v.DevMinor == w.DevMinor && v.Inode == w.Inode && v.Offset-v.Start == w.Offset-w.Start
}

func dirtyRuns(a *image.Area) (runs []image.Run) {
	for _, d := range a.Dirty {
		runs = append(runs, image.Run{Start: uint64(d.Start), Len: uint64(d.End - d.Start)})
	}
	return runs
}

// insideAreas cuts runs at the ends of areas, and leaves out what belongs to
// areas of different kinds.
func (m *member) insideAreas(other *member, runs []image.Run) (out []image.Run) {
	for i := range m.p.Areas {
		a := &m.p.Areas[i]
		for _, r := range intersect(runs, []image.Run{{Start: uint64(a.Start), Len: a.Size()}}) {
			for r.Len > 0 {
				there := areaAt(other.p.Areas, r.Start)
				if there == nil {
					break
				}
				n := min(r.Len, uint64(there.End)-r.Start)
				if there.Kind == a.Kind {
					out = append(out, image.Run{Start: r.Start, Len: n})
				}
				r.Start, r.Len = r.Start+n, r.Len-n
			}
		}
	}
	return out
}

// samePages lists the pages that both processes have written to, or rather the
// one of which they are forks, and that are one page in memory.
func (m *member) samePages(other *member, budget *atomic.Int64) (out []image.Run, err error) {
	add := func(at uint64) {
		if n := len(out); n > 0 && out[n-1].Start+out[n-1].Len == at {
			out[n-1].Len += pageSize
			return
		}
		out = append(out, image.Run{Start: at, Len: pageSize})
	}
	ours, theirs := make([]byte, pageSize), make([]byte, pageSize)
	a, b := m.cow, other.cow
	for len(a) > 0 && len(b) > 0 {
		from, to := max(a[0].Start, b[0].Start), min(a[0].Start+a[0].Len, b[0].Start+b[0].Len)
		for at := from; at < to; at += pageSize {
			x, y := a[0].entries[(at-a[0].Start)/pageSize], b[0].entries[(at-b[0].Start)/pageSize]
			if x != y {
				continue
			}
			if x&pagemapPage == 0 { // we are not told
				if budget.Add(-pageSize) < 0 || x&pagemapPresent == 0 {
					continue
				}
				equal, err := equalPages(m.frozen.mem, other.frozen.mem, int64(at), ours, theirs)
				if err != nil {
					return nil, err
				}
				if !equal {
					continue
				}
			}
			add(at)
		}
		if a[0].Start+a[0].Len <= to {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out, nil
}

func equalPages(a, b io.ReaderAt, at int64, bufA, bufB []byte) (bool, error) {
	if _, err := a.ReadAt(bufA, at); err != nil {
		return false, err
	}
	if _, err := b.ReadAt(bufB, at); err != nil {
		return false, err
	}
	return bytes.Equal(bufA, bufB), nil
}

// lend notes that the injector used memory of the process.
func (m *member) lend(in *ptrace.Injector) {
	used := in.Used()
	if used.End == used.Start {
		return
	}
	if with := m.c.member(m.s.shares.Memory); with != nil {
		m = with
	}
	from := used.Start &^ (pageSize - 1)
	m.touched = append(m.touched, image.Run{Start: from, Len: (used.End+pageSize-1)&^(pageSize-1) - from})
}
