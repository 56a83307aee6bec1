package image

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
)

// Flatten writes the image and what it keeps of its parents to path, as one that
// is complete in itself. It is the same checkpoint, and has the same id: wherever
// the other is a parent, it can take its place. Checksums are looked at. path may
// be that of the image; its parents are not removed.
func (im *Image) Flatten(ctx context.Context, path string, o CommitOptions) (Stats, error) {
	w, err := Create(ctx, path)
	if err != nil {
		return Stats{}, err
	}
	defer w.Abort()
	if err := w.Layout(im.flatLayout()); err != nil {
		return Stats{}, err
	}
	if err := im.copyMemory(ctx, w); err != nil {
		return Stats{}, err
	}
	m := *im.manifest
	m.Version, m.Parent, m.Flattened = ManifestVersion, nil, im.seal
	if m.Files, err = im.copyPayload(ctx, w); err != nil {
		return Stats{}, err
	}
	return w.Commit(&m, o)
}

// flatLayout is what the image and its parents hold, each piece once.
func (im *Image) flatLayout() Layout {
	l := Layout{}
	for i, o := range im.manifest.Objects {
		area := o.area()
		l.Objects = append(l.Objects, ObjectSpace{o, im.ObjectSpace(i).runs(&area)})
	}
	byID := map[uint64][]Segment{}
	for i, o := range im.manifest.Objects {
		byID[o.ID] = im.placed.objects[i]
	}
	all := make([][]Piece, len(im.manifest.Processes))
	for i := range im.manifest.Processes {
		p := &im.manifest.Processes[i]
		s := Space{Areas: p.Areas}
		for j := range p.Areas {
			a := &p.Areas[j]
			if a.objectSegments(byID) != nil {
				continue
			}
			pieces := im.Space(i).AppendPieces(nil, uint64(a.Start), uint64(a.End))
			all[i] = append(all[i], pieces...)
			first := len(s.Same)
			for earlier := range all[:i] {
				var same []Run
				same, pieces = takeSame(pieces, all[earlier], im.manifest.Processes[earlier].Areas, a)
				for _, r := range same {
					s.Same = append(s.Same, Same{r, earlier})
				}
			}
			slices.SortFunc(s.Same[first:], func(a, b Same) int { return cmp.Compare(a.Start, b.Start) })
			s.Runs = append(s.Runs, joined(pieces)...)
		}
		l.Processes = append(l.Processes, s)
	}
	return l
}

// takeSame takes out of the pieces of an area those that another process has at
// the same addresses, in areas that are alike.
func takeSame(pieces, other []Piece, areas []Area, a *Area) (same []Run, rest []Piece) {
	for _, p := range pieces {
		n := sort.Search(len(other), func(n int) bool { return other[n].Addr+other[n].Len > p.Addr })
		for ; p.Len > 0 && n < len(other) && other[n].Addr < p.Addr+p.Len; n++ {
			q := other[n]
			from, to := max(p.Addr, q.Addr), min(p.Addr+p.Len, q.Addr+q.Len)
			there := areaAt(areas, from)
			if q.In != p.In || q.Pos-q.Addr != p.Pos-p.Addr || there.zeroIsImplied() != a.zeroIsImplied() {
				continue
			}
			if from > p.Addr {
				rest = append(rest, p.First(from-p.Addr))
			}
			same = append(same, Run{from, to - from})
			p = p.After(to - p.Addr)
		}
		if p.Len > 0 {
			rest = append(rest, p)
		}
	}
	return same, rest
}

// joined are the addresses of the pieces, which are in order.
func joined(pieces []Piece) []Run {
	var runs []Run
	for _, p := range pieces {
		if n := len(runs); n > 0 && runs[n-1].end() == p.Addr {
			runs[n-1].Len += p.Len
			continue
		}
		runs = append(runs, Run{p.Addr, p.Len})
	}
	return runs
}

// copyMemory gives the writer the content of its runs.
func (im *Image) copyMemory(ctx context.Context, w *Writer) error {
	var read pieceReader
	space := func(from SpaceReader, to *SpaceWriter) error {
		for _, r := range to.runs {
			if err := read.each(ctx, from.AppendPieces(nil, r.Start, r.end()), to.WriteMemory); err != nil {
				return err
			}
		}
		return nil
	}
	for i, to := range w.objects {
		if err := space(im.ObjectSpace(i), to); err != nil {
			return err
		}
	}
	for i, to := range w.processes {
		if err := space(im.Space(i), to); err != nil {
			return err
		}
	}
	return nil
}

// copyPayload copies the payload and gives the files, which say where it is now.
func (im *Image) copyPayload(ctx context.Context, w *Writer) ([]OpenFile, error) {
	files := slices.Clone(im.manifest.Files)
	for i := range files {
		f := &files[i]
		var err error
		if f.Detail, err = mapPayload(f.Detail, func(ref PayloadRef) (PayloadRef, error) {
			if err := ctx.Err(); err != nil {
				return ref, err
			}
			r, err := im.Payload(ref)
			if err != nil {
				return ref, err
			}
			extents := make([][2]int64, len(ref.Extents))
			for i, e := range ref.Extents {
				extents[i] = [2]int64{e.Off, e.Len}
			}
			return w.AddPayload(r, ref.Size, extents)
		}); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return files, nil
}

// mapPayload gives what f makes of each payload reference in a piece of JSON: of
// each object with an array of extents.
func mapPayload(text json.RawMessage, f func(PayloadRef) (PayloadRef, error)) (json.RawMessage, error) {
	if !bytes.Contains(text, []byte(`"extents"`)) {
		return text, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(text, &list) == nil {
		for i := range list {
			var err error
			if list[i], err = mapPayload(list[i], f); err != nil {
				return nil, err
			}
		}
		return json.Marshal(list)
	}
	var ref PayloadRef
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if strict.Decode(&ref) == nil && len(ref.Extents) > 0 {
		ref, err := f(ref)
		if err != nil {
			return nil, err
		}
		return json.Marshal(ref)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		return text, nil // a string with that word in it
	}
	for key, value := range object {
		var err error
		if object[key], err = mapPayload(value, f); err != nil {
			return nil, err
		}
	}
	return json.Marshal(object)
}
