package cli

import (
	"bytes"

	"ckpt/internal/image"
)

// diffMemory says how the memory of two images differs, in bytes of whole pages.
type diffMemory struct {
	Mapped  int64  `json:"mapped"`  // so much more is mapped
	Pages   uint64 `json:"pages"`   // saved in the second image
	Changed uint64 `json:"changed"` // saved in both, with other content
	New     uint64 `json:"new"`     // saved in the second one only
	Gone    uint64 `json:"gone"`    // saved in the first one only
}

func (d *diffMemory) add(o diffMemory) {
	d.Mapped, d.Pages = d.Mapped+o.Mapped, d.Pages+o.Pages
	d.Changed, d.New, d.Gone = d.Changed+o.Changed, d.New+o.New, d.Gone+o.Gone
}

// diffArea is an area of either image, or of both.
type diffArea struct {
	Start image.Addr `json:"start"`
	End   image.Addr `json:"end"`
	Name  string     `json:"name,omitempty"`
	diffMemory
}

// compareAreas compares the memory of a process, area by area of the second image,
// and then what only the first one has mapped.
func compareAreas(a, b *image.Process, was, is image.SpaceReader) ([]diffArea, error) {
	var out []diffArea
	for i := range b.Areas {
		x := &b.Areas[i]
		d := diffArea{Start: x.Start, End: x.End, Name: x.Name}
		d.Mapped = int64(x.Size()) - int64(overlap(a.Areas, x))
		if err := d.compare(was, is); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	for i := range a.Areas {
		x := &a.Areas[i]
		at := x.Start
		for j := range b.Areas {
			y := &b.Areas[j]
			if y.End <= at || y.Start >= x.End {
				continue
			}
			out = appendGone(out, x, at, y.Start, was)
			at = max(at, y.End)
		}
		out = appendGone(out, x, at, x.End, was)
	}
	return out, nil
}

// appendGone appends what was mapped once.
func appendGone(out []diffArea, x *image.Area, from, to image.Addr, was image.SpaceReader) []diffArea {
	if from >= to {
		return out
	}
	d := diffArea{Start: from, End: to, Name: x.Name}
	d.Mapped = -int64(to - from)
	for _, p := range was.AppendPieces(nil, uint64(from), uint64(to)) {
		d.Gone += p.Len
	}
	return append(out, d)
}

// overlap is how much of x is in any of the areas.
func overlap(areas []image.Area, x *image.Area) (n uint64) {
	for i := range areas {
		if from, to := max(areas[i].Start, x.Start), min(areas[i].End, x.End); from < to {
			n += uint64(to - from)
		}
	}
	return n
}

// compare compares the pages of the area.
func (d *diffArea) compare(was, is image.SpaceReader) error {
	a, b := was.AppendPieces(nil, uint64(d.Start), uint64(d.End)), is.AppendPieces(nil, uint64(d.Start), uint64(d.End))
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Addr < b[0].Addr:
			n := a[0].Len
			if len(b) > 0 {
				n = min(n, b[0].Addr-a[0].Addr)
			}
			d.Gone += n
			a = dropFirst(a, n)
		case len(a) == 0 || b[0].Addr < a[0].Addr:
			n := b[0].Len
			if len(a) > 0 {
				n = min(n, a[0].Addr-b[0].Addr)
			}
			d.New, d.Pages = d.New+n, d.Pages+n
			b = dropFirst(b, n)
		default:
			n := min(a[0].Len, b[0].Len)
			d.Pages += n
			if a[0].Pos != b[0].Pos || a[0].In.Seal() != b[0].In.Seal() {
				changed, err := changedPages(was, is, a[0].Addr, n)
				if err != nil {
					return err
				}
				d.Changed += changed
			}
			a, b = dropFirst(a, n), dropFirst(b, n)
		}
	}
	return nil
}

func dropFirst(p []image.Piece, n uint64) []image.Piece {
	if n == p[0].Len {
		return p[1:]
	}
	p[0] = p[0].After(n)
	return p
}

// changedPages compares the content of n bytes, and counts those of pages that
// differ.
func changedPages(was, is image.SpaceReader, addr, n uint64) (changed uint64, err error) {
	const step = 1 << 20
	a, b := make([]byte, min(n, step)), make([]byte, min(n, step))
	for end := addr + n; addr < end; addr += step {
		p, q := a[:min(step, end-addr)], b[:min(step, end-addr)]
		if err := was.ReadMemory(addr, p); err != nil {
			return 0, err
		}
		if err := is.ReadMemory(addr, q); err != nil {
			return 0, err
		}
		for at := 0; at < len(p); at += image.PageSize {
			to := min(at+image.PageSize, len(p))
			if !bytes.Equal(p[at:to], q[at:to]) {
				changed += uint64(to - at)
			}
		}
	}
	return changed, nil
}
