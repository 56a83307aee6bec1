package restore

import (
	"cmp"
	"fmt"
	"slices"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// Memory that a process has from its parent, and that neither has written to
// since, is one to the kernel. It is again after a restore: who has such
// children fills its memory before it makes them. They keep the areas that are
// the same, give back of them what they do not have, and read only what is their
// own. The image tells what is the same: it is at the same place of the same
// file.

// sharedMin is how much memory must be the same to be worth that the parent fills
// its memory while the children wait, in bytes.
const sharedMin = 128 << 10

// fillsFirst reports whether the process fills its memory before it makes others:
// one of them has the very same memory, or much of it.
func (w *writer) fillsFirst() bool {
	if w.first == nil {
		first := w.m.owns() && !w.m.process.Zombie && slices.ContainsFunc(w.birth.children, w.sharesMemory)
		w.first = &first
	}
	return *w.first
}

func (w *writer) sharesMemory(c *birth) bool {
	if c.temporary() {
		return slices.ContainsFunc(c.children, w.sharesMemory)
	}
	if c.process.Shares.Memory == w.m.process.PID {
		return true
	}
	if w.p.lazy {
		return false // it is the page cache that they share
	}
	child := w.p.members[c.index]
	same := uint64(0)
	for i := range c.process.Areas {
		a := &c.process.Areas[i]
		if w.m.sameArea(a) == nil {
			continue
		}
		_, _, kept := compare(w.p.pieces(w.m, a), w.p.pieces(child, a))
		if same += kept; same >= sharedMin {
			return true
		}
	}
	return false
}

// sharing are the flags with which a child is made that shares more with its
// maker than fork(2) copies.
func (w *writer) sharing(c *birth) (flags uint64, err error) {
	if c.temporary() {
		return 0, nil
	}
	s := c.process.Shares
	var own image.Shares
	pid := 0
	if w.m != nil {
		own, pid = w.m.process.Shares, w.m.process.PID
	}
	for _, x := range []struct {
		with, ours int
		flag       uint64
		what       string
	}{
		{s.Memory, own.Memory, abi.CloneVM, "memory"},
		{s.Descriptors, own.Descriptors, abi.CloneFiles, "descriptors"},
		{s.FS, own.FS, abi.CloneFS, "working directory"},
	} {
		switch {
		case x.with == 0:
		case x.with == pid || x.with == x.ours:
			flags |= x.flag
		default:
			return 0, &HostError{Reason: fmt.Sprintf("process %d shares its %s with process %d, which is not its parent", c.pid, x.what, x.with)}
		}
	}
	return flags, nil
}

// sameArea is the process's own area that is just like a, if a copy of it would
// be a.
func (m *member) sameArea(a *image.Area) *image.Area {
	if a.Kind != image.Anonymous && a.Kind != image.PrivateFile {
		return nil
	}
	areas := m.process.Areas
	i, found := slices.BinarySearchFunc(areas, a.Start, func(x image.Area, at image.Addr) int { return cmp.Compare(x.Start, at) })
	if !found {
		return nil
	}
	b := &areas[i]
	if b.End != a.End || b.Kind != a.Kind || b.File != a.File || b.Offset != a.Offset || b.Name != a.Name ||
		b.Prot != a.Prot || b.Whole != a.Whole || !slices.Equal(a.Flags, b.Flags) || b.HasFlag("dc") || b.HasFlag("wf") {
		return nil
	}
	return b
}

// keeps reports whether the area is there already.
func (w *writer) keeps(a *image.Area) bool {
	return w.inherits != nil && !w.p.lazy && w.inherits.sameArea(a) != nil
}

// dropInherited unmaps all of the inherited memory but the areas that are kept.
func (w *writer) dropInherited() {
	if w.inherits == nil {
		return
	}
	kept := []span{w.work, {w.scratch, w.scratch + w.scratchSize()}}
	for i := range w.m.process.Areas {
		if a := &w.m.process.Areas[i]; w.keeps(a) {
			kept = append(kept, span{uint64(a.Start), uint64(a.End)})
		}
	}
	slices.SortFunc(kept, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	at := uint64(0)
	for _, k := range append(kept, span{userEnd, userEnd}) {
		if k.start > at {
			w.b.Call("unmap what is the parent's", abi.SysMunmap, plan.Imm(at), plan.Imm(k.start-at))
		}
		at = k.end
	}
}

// changeArea makes an area that is there already what it has to be: it gives back
// what this process has not, and leaves to fill what is its own.
func (w *writer) changeArea(m mapping) mapping {
	drop, fills, _ := compare(w.p.pieces(w.inherits, m.area), w.p.pieces(w.m, m.area))
	for _, d := range drop {
		w.b.Call("give back what is the parent's of "+areaName(m.area), abi.SysMadvise, plan.Imm(d.start), plan.Imm(d.size()), plan.Imm(abi.MadvDontNeed))
	}
	m.plain = false // most of it is there
	m.fills = fills
	m.prot = m.area.Prot
	if len(fills) > 0 && m.prot&image.ProtWrite == 0 {
		m.prot |= image.ProtRead | image.ProtWrite
		w.b.Call("make "+areaName(m.area)+" writable", abi.SysMprotect, plan.Imm(uint64(m.area.Start)), plan.Imm(m.area.Size()), plan.Imm(uint64(m.prot)))
	}
	return m
}

// pieces are what is read into an area of a process.
func (p *preparation) pieces(m *member, a *image.Area) []image.Piece {
	own := m.sameArea(a)
	if own == nil {
		own = a
	}
	ranges := []image.AddrRange{{Start: own.Start, End: own.End}}
	if own.Kind == image.PrivateFile && own.Whole && own.File >= 0 && p.files.unchanged(own.File) {
		ranges = own.Dirty
	}
	var out []image.Piece
	for _, r := range ranges {
		out = p.image.Space(m.index).AppendPieces(out, uint64(r.Start), uint64(r.End))
	}
	return out
}

// compare tells how what is there becomes what is wanted: what to give back, what
// to read, and how many bytes stay. Both are in order; pieces are whole pages, but
// for the last one of a file.
func compare(there, wanted []image.Piece) (drop []span, read []image.Piece, kept uint64) {
	there, wanted = slices.Clone(there), slices.Clone(wanted)
	for len(there) > 0 || len(wanted) > 0 {
		switch {
		case len(wanted) == 0 || len(there) > 0 && there[0].Addr < wanted[0].Addr:
			n := there[0].Len
			if len(wanted) > 0 {
				n = min(n, wanted[0].Addr-there[0].Addr)
			}
			drop = append(drop, span{there[0].Addr, there[0].Addr + n})
			there = behind(there, n)
		case len(there) == 0 || wanted[0].Addr < there[0].Addr:
			n := wanted[0].Len
			if len(there) > 0 {
				n = min(n, there[0].Addr-wanted[0].Addr)
			}
			read = append(read, wanted[0].First(n))
			wanted = behind(wanted, n)
		default:
			n := min(there[0].Len, wanted[0].Len)
			if there[0].Pos == wanted[0].Pos && there[0].In == wanted[0].In {
				kept += n
			} else {
				read = append(read, wanted[0].First(n))
			}
			there, wanted = behind(there, n), behind(wanted, n)
		}
	}
	return drop, read, kept
}

// behind takes n bytes off the first piece.
func behind(pieces []image.Piece, n uint64) []image.Piece {
	first := &pieces[0]
	if n == first.Len {
		return pieces[1:]
	}
	*first = first.After(n)
	return pieces
}
