package image

import (
	"fmt"
	"sort"
)

// owner is a part of the memory in the file, and whose it is in the first
// place: others may share it.
type owner struct {
	fileRange
	object, process int // index of the one, and -1 for the other
	addr            uint64
}

// owners lists all the memory in the file, in its order.
func (p *placed) owners() []owner {
	var out []owner
	if p.ahead.Len > 0 {
		out = append(out, owner{fileRange: fileRange{p.ahead.Pos, p.ahead.Len}, object: -1, process: -1})
	}
	add := func(segs []Segment, object, process int) {
		for _, s := range segs {
			if s.FileLen > 0 && !s.Shared {
				out = append(out, owner{fileRange{s.Pos, s.FileLen}, object, process, uint64(s.Start)})
			}
		}
	}
	for i, segs := range p.objects {
		add(segs, i, -1)
	}
	for i, segs := range p.processes {
		add(segs, -1, i)
	}
	return out
}

// describe names a chunk in a user's words.
func (im *Image) describe(i int, c Chunk) string {
	if i >= len(im.chunks.memory) {
		return fmt.Sprintf("chunk %d, payload, file offset %#x+%#x", i, c.Pos, c.Len)
	}
	n := sort.Search(len(im.owners), func(n int) bool { return im.owners[n].end() > c.Pos })
	o := im.owners[n] // there is one: the table was checked
	if o.object < 0 && o.process < 0 {
		o = im.ownerAhead(c.Pos)
	}
	from := o.addr + c.Pos - o.pos
	return fmt.Sprintf("chunk %d, memory %#x-%#x of %s, file offset %#x", i, from, from+uint64(c.Len), im.ownerName(o, from), c.Pos)
}

// ownerAhead finds the first process that has a byte that was copied ahead.
func (im *Image) ownerAhead(pos uint64) owner {
	for i, segs := range im.placed.processes {
		for _, s := range segs {
			if s.Pos <= pos && pos < s.Pos+s.FileLen {
				return owner{fileRange{s.Pos, s.FileLen}, -1, i, uint64(s.Start)}
			}
		}
	}
	return owner{object: -1, process: 0} // nobody's
}

func (im *Image) ownerName(o owner, addr uint64) string {
	if o.process < 0 {
		return fmt.Sprintf("shared memory object %d", im.manifest.Objects[o.object].ID)
	}
	name := im.AreaName(o.process, addr)
	if len(im.manifest.Processes) > 1 {
		name += fmt.Sprintf(" of process %d", im.manifest.Processes[o.process].PID)
	}
	return name
}

// AreaName names the area of a process around addr, as /proc/PID/maps does
// where it can.
func (im *Image) AreaName(process int, addr uint64) string {
	a := areaAt(im.manifest.Processes[process].Areas, addr)
	if a == nil {
		return "no area"
	}
	name := a.Name
	if name == "" {
		name = string(a.Kind)
	}
	return fmt.Sprintf("%s (%v-%v)", name, a.Start, a.End)
}
