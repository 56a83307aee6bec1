package image

import (
	"errors"
	"fmt"
)

// PageSize is the unit of memory in an image, in bytes.
const PageSize = 4096

// MaxAddr is the end of the addresses a process can map with five levels of
// page tables (arch/x86/include/asm/page_64_types.h, TASK_SIZE_MAX). The
// vsyscall page is above it: the kernel gives it to every process.
const MaxAddr Addr = 1<<56 - PageSize

// Segment is a PT_LOAD: an area or a part of one. The file holds its first
// FileLen bytes at Pos; the rest, up to End, has no bytes in the file.
type Segment struct {
	Start, End Addr
	Pos        uint64
	FileLen    uint64
	Prot       Prot
}

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

// planSegments cuts areas into segments around the runs and gives each its
// place in the file. The segments of one area have its protection.
func planSegments(areas []Area, runs []Run) ([]Segment, error) {
	for gap := uint64(segmentGap); gap <= maxGap; gap *= 4 {
		segs, err := splitAreas(areas, runs, gap)
		if err != nil {
			return nil, err
		}
		if len(segs) <= maxSegments {
			place(segs)
			return segs, nil
		}
	}
	return nil, errors.New("memory is scattered over too many places")
}

func splitAreas(areas []Area, runs []Run, gap uint64) ([]Segment, error) {
	var segs []Segment
	for i := range areas {
		a := &areas[i]
		n := 0
		for n < len(runs) && runs[n].Start < uint64(a.End) {
			if err := checkRun(a, runs[:n+1]); err != nil {
				return nil, err
			}
			n++
		}
		if !a.inImage() {
			if n > 0 {
				return nil, fmt.Errorf("content of a %s area at %v is not for images", a.Kind, a.Start)
			}
			continue
		}
		segs = appendSegments(segs, a, runs[:n], gap)
		runs = runs[n:]
	}
	if len(runs) > 0 {
		return nil, fmt.Errorf("run at %#x is in no area", runs[0].Start)
	}
	return segs, nil
}

// checkRun checks the last of the runs of an area.
func checkRun(a *Area, runs []Run) error {
	r := runs[len(runs)-1]
	low := uint64(a.Start)
	if len(runs) > 1 {
		low = runs[len(runs)-2].end()
	}
	if r.Start < low || r.Len == 0 || r.Len > uint64(a.End)-r.Start || (r.Start|r.Len)%PageSize != 0 {
		return fmt.Errorf("run %#x+%#x does not fit into area %v-%v behind %#x", r.Start, r.Len, a.Start, a.End, low)
	}
	return nil
}

func appendSegments(segs []Segment, a *Area, runs []Run, gap uint64) []Segment {
	if !a.zeroIsImplied() && !a.Whole {
		gap = PageSize
	}
	seg := Segment{Start: a.Start, Prot: a.Prot}
	for _, r := range runs {
		if r.Start-uint64(seg.Start)-seg.FileLen >= gap {
			seg.End = Addr(r.Start)
			segs = append(segs, seg)
			seg = Segment{Start: Addr(r.Start), Prot: a.Prot}
		}
		seg.FileLen = r.end() - uint64(seg.Start)
	}
	seg.End = a.End
	return append(segs, seg)
}

// place gives each segment its file position: one behind the other.
func place(segs []Segment) {
	pos := headersEnd(len(segs))
	pos = alignUp(pos)
	for i := range segs {
		segs[i].Pos = pos
		pos += segs[i].FileLen
	}
}

// memoryEnd is where the memory ends in the file.
func memoryEnd(segs []Segment) uint64 {
	if len(segs) == 0 {
		return alignUp(headersEnd(0))
	}
	last := segs[len(segs)-1]
	return last.Pos + last.FileLen
}

// checkSegments checks that segs are what planSegments makes of areas for some
// runs: they cover each area from its start to its end, and lie in the file
// one behind the other.
func checkSegments(segs []Segment, areas []Area, size uint64) error {
	want := alignUp(headersEnd(len(segs)))
	for i := range areas {
		a := &areas[i]
		if !a.inImage() {
			continue
		}
		for at := a.Start; at < a.End; {
			if len(segs) == 0 {
				return corrupt("no program header for %v-%v", at, a.End)
			}
			s := segs[0]
			if s.Start != at || s.End <= at || s.End > a.End || s.Prot != a.Prot || s.End%PageSize != 0 {
				return corrupt("program header of %v-%v does not fit area %v-%v", s.Start, s.End, a.Start, a.End)
			}
			if s.Pos != want || s.FileLen > uint64(s.End-s.Start) || s.FileLen%PageSize != 0 || s.FileLen > size-s.Pos {
				return corrupt("content of %v-%v is at %#x+%#x", s.Start, s.End, s.Pos, s.FileLen)
			}
			want += s.FileLen
			at, segs = s.End, segs[1:]
		}
	}
	if len(segs) > 0 {
		return corrupt("program header of %v-%v is for no area", segs[0].Start, segs[0].End)
	}
	return nil
}

func alignUp(n uint64) uint64 { return (n + PageSize - 1) &^ (PageSize - 1) }
