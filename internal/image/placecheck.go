package image

import "slices"

// check checks that the segments are such as plan makes of some layout of m's
// areas and objects: they cover each area from its start to its end, and their
// bytes lie in the file one behind the other, or are those of a space in front.
// limit is where the memory must have ended.
func (p *placed) check(m *Manifest, limit uint64) error {
	c := placeCheck{at: alignUp(headersEnd(len(p.processes[0]))), limit: limit}
	if a := m.Ahead; a != nil {
		if a.Pos < c.at || a.Pos > limit || a.Len == 0 || a.Len > limit-a.Pos || (a.Pos|a.Len)%PageSize != 0 {
			return corrupt("memory copied ahead at %#x+%#x", a.Pos, a.Len)
		}
		p.ahead = *a
		c.at = a.Pos
	}
	c.from = c.at
	c.at += p.ahead.Len
	byID := map[uint64][]Segment{}
	for i := range m.Objects {
		o := &m.Objects[i]
		area := o.area()
		err := c.space([]Area{area}, p.objects[i], nil)
		if err == nil && keepsAny(p.objects[i]) {
			err = corrupt("shared memory is never the parent's")
		}
		if err != nil {
			return corrupt("object %d: %w", o.ID, err)
		}
		byID[o.ID] = p.objects[i]
	}
	for i := range m.Processes {
		proc := &m.Processes[i]
		w := func(a *Area) []Segment { return a.objectSegments(byID) }
		if err := c.space(proc.Areas, p.processes[i], w); err != nil {
			return corrupt("process %d: %w", proc.PID, err)
		}
	}
	p.end = c.at
	return nil
}

type placeCheck struct {
	from  uint64 // where the memory begins in the file
	at    uint64 // where that of the next segment must
	limit uint64
}

func (c *placeCheck) space(areas []Area, segs []Segment, w windows) error {
	front := c.at // of this space: what it shares is between from and here
	for i := range areas {
		a := &areas[i]
		if !a.inImage() {
			continue
		}
		n := 0
		for at := a.Start; at < a.End; n++ {
			if n == len(segs) {
				return corrupt("no program header for %v-%v", at, a.End)
			}
			s := &segs[n]
			if s.Start != at || s.End <= at || s.End > a.End || s.Prot != a.Prot || s.End%PageSize != 0 {
				return corrupt("program header of %v does not fit area %v-%v", s, a.Start, a.End)
			}
			if err := c.place(s, front); err != nil {
				return err
			}
			at = s.End
		}
		var object []Segment
		if w != nil {
			object = w(a)
		}
		if object != nil && !shows(segs[:n], a, object) {
			return corrupt("program headers of area %v-%v do not show object %d", a.Start, a.End, a.Object)
		}
		segs = segs[n:]
	}
	if len(segs) > 0 {
		return corrupt("program header of %v is for no area", &segs[0])
	}
	return nil
}

// place checks where the bytes of s are, and finds out whose.
func (c *placeCheck) place(s *Segment, front uint64) error {
	bad := func() error { return corrupt("content of %v is at %#x+%#x", s, s.Pos, s.FileLen) }
	if s.FileLen > uint64(s.End-s.Start) || s.FileLen%PageSize != 0 || s.Pos%PageSize != 0 {
		return bad()
	}
	if s.Kept && s.FileLen > 0 {
		return bad()
	}
	if s.Pos == c.at {
		if s.FileLen > c.limit-c.at {
			return bad()
		}
		c.at += s.FileLen
		return nil
	}
	s.Shared = true
	if s.FileLen == 0 || s.Pos < c.from || s.Pos > front || s.FileLen > front-s.Pos {
		return bad()
	}
	return nil
}

// shows tells whether segs are the area's window on the object. One without
// bytes in the file has another place for them.
func shows(segs []Segment, a *Area, object []Segment) bool {
	for want := range window(a, object) {
		if len(segs) == 0 || segs[0].Kept || segs[0].End != want.End || segs[0].FileLen != want.FileLen ||
			want.FileLen > 0 && segs[0].Pos != want.Pos {
			return false
		}
		segs = segs[1:]
	}
	return len(segs) == 0
}

// keepsAny reports whether something of the segments is the parent's.
func keepsAny(segs []Segment) bool {
	return slices.ContainsFunc(segs, func(s Segment) bool { return s.Kept })
}
