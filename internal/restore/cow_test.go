package restore

import (
	"testing"

	"pgregory.net/rapid"

	"ckpt/internal/image"
)

// TestCompare: a child that has what its parent has, gives back and reads as told,
// and then has what is its own; what both have is not read again.
func TestCompare(t *testing.T) {
	t.Parallel()
	const pages = 24
	type place struct {
		in  *image.Image
		pos uint64
	}
	var older, newer image.Image
	// draw gives each page a place in a file; none is no place. Most are where they
	// are in any other process.
	draw := func(t *rapid.T, who string) (at [pages]place, pieces []image.Piece) {
		for i := range uint64(pages) {
			switch rapid.IntRange(0, 3).Draw(t, who) {
			case 0:
				continue
			case 1:
				at[i] = place{&older, (100 + i + rapid.Uint64Range(0, 3).Draw(t, "place")) * pageSize}
			default:
				at[i] = place{rapid.SampledFrom([]*image.Image{&older, &newer, &newer}).Draw(t, "image"), (50 + i) * pageSize}
			}
			if n := len(pieces); n > 0 && i > 0 && at[i-1].in == at[i].in && at[i-1].pos+pageSize == at[i].pos && rapid.Bool().Draw(t, "joined") {
				pieces[n-1].Len += pageSize
				continue
			}
			pieces = append(pieces, image.Piece{Addr: i * pageSize, Pos: at[i].pos, Len: pageSize, In: at[i].in})
		}
		return at, pieces
	}
	rapid.Check(t, func(t *rapid.T) {
		parent, there := draw(t, "parent")
		child, wanted := draw(t, "child")
		drop, read, kept := compare(there, wanted)
		got, same := parent, uint64(0)
		for i := range parent {
			if parent[i] != (place{}) && parent[i] == child[i] {
				same += pageSize
			}
		}
		for _, d := range drop {
			for at := d.start; at < d.end; at += pageSize {
				got[at/pageSize] = place{}
			}
		}
		for _, r := range read {
			for n := uint64(0); n < r.Len; n += pageSize {
				if i := (r.Addr + n) / pageSize; parent[i] != (place{}) && parent[i] == child[i] {
					t.Fatalf("page %d is read again", i)
				} else {
					got[i] = place{r.In, r.Pos + n}
				}
			}
		}
		if got != child || kept != same {
			t.Fatalf("%v, want %v; %d bytes of %d are kept", got, child, kept, same)
		}
	})
}
