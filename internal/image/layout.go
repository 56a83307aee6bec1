package image

import (
	"fmt"
	"slices"
)

// Layout is all memory that an image is to hold.
type Layout struct {
	Objects   []ObjectSpace
	Processes []Space // in the order of Manifest.Processes
}

// Space is the memory of a process.
type Space struct {
	Areas []Area // as the manifest will list them
	Runs  []Run  // whose content is given to the SpaceWriter
	Same  []Same // whose content is another process's
	// Kept are ranges of whole pages, each inside one area and outside of all
	// others, whose content is that of the same addresses of the process in the
	// parent of the image.
	Kept []Run
	// Ahead is what has taken memory of the process before, if anything did.
	Ahead *SpaceWriter
}

// Same is a range of whole pages inside one area, outside of the runs, with the
// very pages that an earlier process has at the same address: memory that was
// not written to since the one was forked off the other. In that process it is
// inside of runs, or of ranges that are the same as another one's.
type Same struct {
	Run
	Process int // index of the earlier process
}

// ObjectSpace is the memory of an object. Its addresses begin at 0.
type ObjectSpace struct {
	Object
	Runs []Run // in order
}

// area is the object as if it were mapped as a whole.
func (o *Object) area() Area {
	return Area{End: Addr(o.Size), Kind: SharedAnonymous, File: -1}
}

// check checks what plan relies on.
func (l *Layout) check() error {
	var all []Object
	for i := range l.Objects {
		all = append(all, l.Objects[i].Object)
	}
	objects, err := checkObjects(all)
	if err != nil {
		return err
	}
	if n := len(l.Processes); n == 0 || n > maxProcesses {
		return fmt.Errorf("%d processes; an image holds from 1 to %d", n, maxProcesses)
	}
	for i := range l.Processes {
		p := &l.Processes[i]
		if err := checkAreas(p.Areas, maxFiles); err != nil {
			return err
		}
		if err := checkWindows(p.Areas, objects); err != nil {
			return err
		}
		for _, s := range p.Same {
			if s.Process < 0 || s.Process >= i {
				return fmt.Errorf("memory at %#x is said to be that of process %d, which is not in front of it", s.Start, s.Process)
			}
			// What is left out there is zero, and would be the file's here.
			here, there := areaAt(p.Areas, s.Start), areaAt(l.Processes[s.Process].Areas, s.Start)
			if here != nil && there != nil && there.zeroIsImplied() && !here.zeroIsImplied() {
				return fmt.Errorf("%s memory at %#x is said to be %s memory of another process", here.Kind, s.Start, there.Kind)
			}
		}
	}
	return nil
}

// placed are the segments of a whole layout, at their places in the file.
type placed struct {
	objects, processes [][]Segment
	ahead              Stretch // of the memory in the file
	end                uint64  // of all of it
}

// plan cuts everything into segments and gives each its place in the file: one
// behind the other, objects first.
func (l *Layout) plan(ahead Stretch) (*placed, error) {
	// Positions are counted from the start of the memory at first. Where that
	// is depends on the number of the root's segments, unless memory was copied
	// ahead.
	out := &placed{ahead: ahead, end: ahead.Pos + ahead.Len}
	for i := range l.Objects {
		o := &l.Objects[i]
		area := o.area()
		segs, err := out.cut([]Area{area}, runsOf(o.Runs), nil, maxSegments)
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", o.ID, err)
		}
		out.objects = append(out.objects, segs)
	}
	windows := l.windows(out.objects)
	for i := range l.Processes {
		p := &l.Processes[i]
		same, err := out.resolve(p.Same)
		if err == nil {
			runs, most := p.Runs, maxSegments
			if p.Ahead != nil {
				var there []stored
				there, runs, _ = p.Ahead.fixed(runs)
				same = merge(same, there)
			}
			if i == 0 && ahead.Len > 0 {
				most = int((ahead.Pos-headersEnd(0))/phdrSize) - 2
			}
			var segs []Segment
			segs, err = out.cut(p.Areas, merge(merge(runsOf(runs), same), keptOf(p.Kept)), windows, most)
			out.processes = append(out.processes, segs)
		}
		if err != nil {
			return nil, fmt.Errorf("process %d of %d: %w", i+1, len(l.Processes), err)
		}
	}
	if ahead.Len == 0 {
		out.shift(alignUp(headersEnd(len(out.processes[0]))))
	}
	return out, nil
}

func (p *placed) shift(by uint64) {
	for _, list := range [][][]Segment{p.objects, p.processes} {
		for _, segs := range list {
			for i := range segs {
				segs[i].Pos += by
			}
		}
	}
	p.end += by
}

// windows finds the segments of the object that an area shows; nil if it has
// content of its own.
type windows func(a *Area) []Segment

func (l *Layout) windows(segs [][]Segment) windows {
	byID := map[uint64][]Segment{}
	for i := range l.Objects {
		byID[l.Objects[i].ID] = segs[i]
	}
	return func(a *Area) []Segment { return a.objectSegments(byID) }
}

// objectSegments looks the area's object up.
func (a *Area) objectSegments(byID map[uint64][]Segment) []Segment {
	if a.Object == 0 || a.Kind != SharedAnonymous && a.Kind != SharedFile {
		return nil
	}
	return byID[a.Object]
}

// resolve finds where in the file the pages are that others have, too.
func (p *placed) resolve(all []Same) ([]stored, error) {
	var out []stored
	for _, s := range all {
		segs := p.processes[s.Process]
		for at := s.Start; at < s.end(); {
			seg := segmentAt(segs, at)
			if seg == nil || at >= seg.fileEnd() {
				return nil, fmt.Errorf("memory at %#x is said to be that of process %d, which has none there", at, s.Process)
			}
			to := min(s.end(), seg.fileEnd())
			out = append(out, stored{Run: Run{at, to - at}, shared: true, pos: seg.Pos + at - uint64(seg.Start)})
			at = to
		}
	}
	return out, nil
}

// cut cuts areas into at most so many segments around the runs and what is shared,
// and places them behind everything that was cut before.
func (p *placed) cut(areas []Area, all []stored, w windows, most int) ([]Segment, error) {
	if err := checkStored(all); err != nil {
		return nil, err
	}
	for gap := uint64(segmentGap); gap <= maxGap; gap *= 4 {
		segs, err := splitAreas(areas, all, w, gap)
		if err != nil {
			return nil, err
		}
		if len(segs) > most {
			continue
		}
		for i := range segs {
			if s := &segs[i]; !s.Shared {
				s.Pos = p.end
				p.end += s.FileLen
			}
		}
		return segs, nil
	}
	return nil, ErrScattered
}

func runsOf(runs []Run) []stored {
	out := make([]stored, len(runs))
	for i, r := range runs {
		out[i].Run = r
	}
	return out
}

func keptOf(runs []Run) []stored {
	out := runsOf(runs)
	for i := range out {
		out[i].kept = true
	}
	return out
}

// merge puts two lists that are in the order of addresses into one.
func merge(a, b []stored) []stored {
	if len(b) == 0 {
		return a
	}
	out := make([]stored, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].Start < b[0].Start {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// checkStored checks that ranges are whole pages, in order and apart.
func checkStored(all []stored) error {
	low := uint64(0)
	for _, s := range all {
		if s.Start < low || s.Len == 0 || s.Len > uint64(MaxAddr) || (s.Start|s.Len)%PageSize != 0 {
			return fmt.Errorf("run %#x+%#x overlaps another, is not in order, or no whole pages", s.Start, s.Len)
		}
		low = s.end()
	}
	return nil
}

func splitAreas(areas []Area, all []stored, w windows, gap uint64) ([]Segment, error) {
	n := len(areas)
	for _, c := range all {
		if c.kept {
			n += 2
		}
	}
	segs := make([]Segment, 0, n)
	for i := range areas {
		a := &areas[i]
		n := 0
		for n < len(all) && all[n].Start < uint64(a.End) {
			if c := all[n]; c.Start < uint64(a.Start) || c.end() > uint64(a.End) {
				return nil, fmt.Errorf("run %#x+%#x is not inside area %v-%v", c.Start, c.Len, a.Start, a.End)
			}
			n++
		}
		var object []Segment
		if w != nil {
			object = w(a)
		}
		switch {
		case n > 0 && (!a.inImage() || object != nil):
			return nil, fmt.Errorf("content of a %s area at %v is not for images, or its object's", a.Kind, a.Start)
		case object != nil:
			segs = slices.AppendSeq(segs, window(a, object))
		case a.inImage():
			segs = appendSegments(segs, a, all[:n], gap)
		}
		all = all[n:]
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("run at %#x is in no area", all[0].Start)
	}
	return segs, nil
}
