package cli

import (
	"fmt"
	"path"
	"strings"

	"ckpt/internal/image"
)

// showArea is one area of a saved process.
type showArea struct {
	Start image.Addr     `json:"start"`
	End   image.Addr     `json:"end"`
	Prot  image.Prot     `json:"prot"`
	Kind  image.AreaKind `json:"kind"`
	Name  string         `json:"name,omitempty"`
	Flags []string       `json:"flags"`
	showMemory
}

// pieces is an image.SpaceReader.
type pieces interface {
	AppendPieces(pieces []image.Piece, start, end uint64) []image.Piece
}

func (m *showMemory) add(o showMemory) {
	m.Mapped += o.Mapped
	m.Saved += o.Saved
	m.Kept += o.Kept
	m.FromFile += o.FromFile
	m.Untouched += o.Untouched
}

// describeAreas finds out where the content of each area is, im or a parent of it.
func describeAreas(areas []image.Area, saved pieces, im *image.Image) []showArea {
	out := make([]showArea, 0, len(areas))
	var found []image.Piece
	for i := range areas {
		a := &areas[i]
		d := showArea{Start: a.Start, End: a.End, Prot: a.Prot, Kind: a.Kind, Name: a.Name, Flags: a.Flags}
		d.Mapped = a.Size()
		found = saved.AppendPieces(found[:0], uint64(a.Start), uint64(a.End))
		for _, p := range found {
			if p.In == im {
				d.Saved += p.Len
			} else {
				d.Kept += p.Len
			}
		}
		rest := d.Mapped - min(d.Saved+d.Kept, d.Mapped)
		if fromFile(a.Kind) {
			d.FromFile = rest
		} else {
			d.Untouched = rest
		}
		out = append(out, d)
	}
	return out
}

// fromFile reports whether pages that are not in the image come from
// elsewhere: a file or, for the vDSO's data, the kernel.
func fromFile(k image.AreaKind) bool {
	return k == image.PrivateFile || k == image.SharedFile || k == image.VVar
}

// areaGroup is a row of the listing: neighbours of one name.
type areaGroup struct {
	start image.Addr
	name  string
	areas int
	showMemory
}

func groupAreas(areas []showArea) []areaGroup {
	var groups []areaGroup
	for _, a := range areas {
		name := areaName(&a)
		if n := len(groups); n == 0 || groups[n-1].name != name {
			groups = append(groups, areaGroup{start: a.Start, name: name})
		}
		g := &groups[len(groups)-1]
		g.areas++
		g.add(a.showMemory)
	}
	return groups
}

// areaName is short: the listing has a column for it.
func areaName(a *showArea) string {
	switch {
	case a.Name == "" && a.Kind == image.SharedAnonymous:
		return "shared"
	case a.Name == "":
		return "anon"
	case strings.HasPrefix(a.Name, "/"):
		return path.Base(a.Name)
	}
	return a.Name
}

// Room for the columns beside the bar, and the bar's bounds.
const (
	mapColumns = 84
	mapName    = 20
	minBar     = 10
	maxBar     = 40
)

// memoryTable lists areas, with a bar on terminals that are wide enough. What is
// kept counts as saved.
func memoryTable(areas []showArea, columns int) string {
	bar := min(columns-mapColumns, maxBar)
	groups := groupAreas(areas)
	var largest uint64
	for _, g := range groups {
		largest = max(largest, g.Mapped)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s %5s  %9s %9s %9s %9s  %s\n", "address", "areas", "mapped", "saved", "from file", "untouched", "name")
	for _, g := range groups {
		fmt.Fprintf(&b, "%-14s %5d  %9s %9s %9s %9s  ", fmt.Sprintf("%012x", uint64(g.start)), g.areas,
			size(g.Mapped), orDash(g.Saved+g.Kept), orDash(g.FromFile), orDash(g.Untouched))
		if bar >= minBar {
			fmt.Fprintf(&b, "%-*s %s\n", mapName, cut(clean(g.name), mapName), drawBar(g.showMemory, largest, bar))
		} else {
			b.WriteString(clean(g.name) + "\n")
		}
	}
	if bar >= minBar {
		b.WriteString("(█ saved  ▒ from file  ░ untouched; lengths are logarithmic)\n")
	}
	return b.String()
}

// orDash keeps a table readable where most numbers are 0.
func orDash(n uint64) string {
	if n == 0 {
		return "-"
	}
	return size(n)
}

// drawBar draws memory as a bar. Its length is logarithmic, since areas range
// from a page to terabytes; its parts are in proportion, and what is not
// nothing gets at least one column.
func drawBar(m showMemory, largest uint64, columns int) string {
	length := max(1, logScale(m.Mapped, largest, columns))
	saved, file := part(m.Saved+m.Kept, m.Mapped, length), part(m.FromFile, m.Mapped, length)
	saved = min(saved, length)
	file = min(file, length-saved)
	if m.Untouched == 0 && saved+file < length {
		if m.FromFile > 0 {
			file = length - saved
		} else {
			saved = length
		}
	}
	return strings.Repeat("█", saved) + strings.Repeat("▒", file) + strings.Repeat("░", length-saved-file)
}

// logScale maps a page to 1 and largest to columns.
func logScale(n, largest uint64, columns int) int {
	doublings := func(n uint64) int {
		d := 0
		for n > image.PageSize {
			n, d = n/2, d+1
		}
		return d
	}
	top := doublings(largest)
	if top == 0 {
		return 1
	}
	return 1 + doublings(n)*(columns-1)/top
}

func part(n, of uint64, length int) int {
	if n == 0 || of == 0 {
		return 0
	}
	return max(1, int(float64(n)/float64(of)*float64(length)+0.5))
}
