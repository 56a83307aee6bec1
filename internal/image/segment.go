package image

import (
	"fmt"
	"iter"
	"sort"
)

// PageSize is the unit of memory in an image, in bytes.
const PageSize = 4096

// MaxAddr is the end of the addresses a process can map with five levels of
// page tables (arch/x86/include/asm/page_64_types.h, TASK_SIZE_MAX). The
// vsyscall page is above it: the kernel gives it to every process.
const MaxAddr Addr = 1<<56 - PageSize

// Segment is a program header for memory: an area or a part of one. The file holds its first
// FileLen bytes at Pos; the rest, up to End, has no bytes in the file.
type Segment struct {
	Start, End Addr
	Pos        uint64
	FileLen    uint64
	Prot       Prot
	// Shared says that the bytes belong to a space in front of this one, or stand
	// there because they were copied ahead.
	Shared bool
	// Kept says that it is no PT_LOAD, which would look like zeros to debuggers: its
	// memory is what the parent of the image has at the same addresses of the same
	// process.
	Kept  bool
	ahead bool
}

// fileEnd is where the bytes in the file end, as an address.
func (s *Segment) fileEnd() uint64 { return uint64(s.Start) + s.FileLen }

// Run is a range of whole pages inside one area whose content the image is to
// hold.
type Run struct {
	Start, Len uint64
}

func (r Run) end() uint64 { return r.Start + r.Len }

// segmentGap is the smallest gap between two runs of an area that splits it
// into two segments. A smaller gap becomes a hole in the file, which costs
// nothing but length. A program header costs 56 bytes and debuggers keep a
// section for each, so it is worth it only where files would become far longer
// than what they hold: a hole of 20 TB breaks ext4 and tools that copy.
const segmentGap = 256 << 10

// maxSegments bounds the program headers. Memory that is touched here and
// there over terabytes would have millions; its gaps are made holes instead.
const maxSegments = 1 << 20

// maxGap ends the search for a gap that leaves few enough segments.
const maxGap = 1 << 36

// inImage tells whether the area has segments: all have, but for the kernel's
// own data pages, which nobody can write.
func (a *Area) inImage() bool { return a.Kind != VVar }

// zeroIsImplied tells whether pages of the area that no chunk covers are zero.
// In the others they come from the file, so that a page of zeros has to be in
// the image, and a gap between runs must not look like zeros in the core.
func (a *Area) zeroIsImplied() bool {
	switch a.Kind {
	case Anonymous, SharedAnonymous, VDSO:
		return true
	}
	return false
}

// stored is a range of an area that has bytes in the file, or in the parent's.
type stored struct {
	Run
	shared bool
	ahead  bool   // shared, because it was copied ahead
	pos    uint64 // if shared
	kept   bool   // in the parent's
}

// appendSegments cuts an area into segments around its content. Those of one
// area have its protection.
func appendSegments(segs []Segment, a *Area, all []stored, gap uint64) []Segment {
	if !a.zeroIsImplied() && !a.Whole {
		gap = PageSize
	}
	seg := Segment{Start: a.Start, Prot: a.Prot}
	next := func(start Addr) {
		if seg.Start < start {
			seg.End = start
			segs = append(segs, seg)
		}
		seg = Segment{Start: start, Prot: a.Prot}
	}
	for _, c := range all {
		if c.kept {
			next(Addr(c.Start))
			if n := len(segs); n > 0 && segs[n-1].Kept && segs[n-1].Start >= a.Start && segs[n-1].End == seg.Start {
				seg, segs = segs[n-1], segs[:n-1]
			}
			seg.Kept = true
			next(Addr(c.end()))
			continue
		}
		if !seg.canTake(c, gap) {
			next(Addr(c.Start))
		}
		if seg.FileLen == 0 && c.shared {
			seg.Pos, seg.Shared, seg.ahead = c.pos, true, c.ahead
		}
		seg.FileLen = c.end() - uint64(seg.Start)
	}
	next(a.End)
	return segs
}

// canTake tells whether the next content of the area can be s's, too. What is
// shared is so only without a gap: in the file, the gap may hold something. Gaps of
// what was copied ahead hold nothing, as long as it stands there as in memory.
func (s *Segment) canTake(c stored, gap uint64) bool {
	between := c.Start - s.fileEnd()
	switch {
	case s.FileLen == 0 && c.shared:
		return between == 0
	case c.ahead:
		return s.ahead && between < gap && c.pos-s.Pos == c.Start-uint64(s.Start)
	case c.shared:
		return s.Shared && !s.ahead && between == 0 && c.pos == s.Pos+s.FileLen
	}
	return !s.Shared && between < gap
}

// window gives the segments of an area that shows an object, whose segments
// are all.
func window(a *Area, all []Segment) iter.Seq[Segment] {
	return func(yield func(Segment) bool) {
		end := a.Offset + a.Size()
		all := all[segmentFrom(all, a.Offset):]
		for at := a.Offset; at < end; all = all[1:] {
			s := &all[0]
			to := min(uint64(s.End), end)
			seg := Segment{Start: a.Start + Addr(at-a.Offset), End: a.Start + Addr(to-a.Offset), Prot: a.Prot}
			if fileEnd := min(s.fileEnd(), to); fileEnd > at {
				seg.Pos, seg.FileLen, seg.Shared = s.Pos+at-uint64(s.Start), fileEnd-at, true
			}
			if !yield(seg) {
				return
			}
			at = to
		}
	}
}

// segmentAt returns the segment that addr is in, or nil.
func segmentAt(segs []Segment, addr uint64) *Segment {
	i := segmentFrom(segs, addr)
	if i == len(segs) || uint64(segs[i].Start) > addr {
		return nil
	}
	return &segs[i]
}

// segmentFrom is the index of the first segment that ends behind addr.
func segmentFrom(segs []Segment, addr uint64) int {
	return sort.Search(len(segs), func(i int) bool { return uint64(segs[i].End) > addr })
}

func (s *Segment) String() string { return fmt.Sprintf("%v-%v", s.Start, s.End) }

func alignUp(n uint64) uint64 { return (n + PageSize - 1) &^ (PageSize - 1) }
