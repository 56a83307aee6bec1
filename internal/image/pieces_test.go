package image

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
)

func TestAppendPieces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	const start, size = 0x10000, 3<<20 + 2*PageSize
	mem := randomBytes(size, 1)
	clear(mem[1<<20 : 1<<20+zeroMin])
	areas := []Area{{Start: start, End: start + size, Kind: Anonymous, File: -1}}
	write(t, path, sample(), areas, []content{{Run{start, size}, mem}})
	im := open(t, path)
	if err := im.Verify(context.Background(), 1, nil); err != nil {
		t.Fatal(err)
	}
	pos := im.Space(0).Segments()[0].Pos
	hole := uint64(1<<20 + zeroMin)
	whole := []Piece{{start, pos, 1 << 20, im}, {start + hole, pos + hole, size - hole, im}}
	for _, c := range []struct {
		from, to uint64
		want     []Piece
	}{
		{start, start + size, whole},
		{0, 1 << 40, whole},
		{start + 100, start + 200, []Piece{{start + 100, pos + 100, 100, im}}},
		{start + 1<<20, start + hole, nil},
		{0, start, nil},
		{start + size, 1 << 40, nil},
	} {
		if got := im.Space(0).AppendPieces(nil, c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("%#x-%#x: %+v, want %+v", c.from, c.to, got, c.want)
		}
	}
}

// TestShares: what several processes or objects have is known, and nothing else.
func TestShares(t *testing.T) {
	t.Parallel()
	im := open(t, writeFamily(t, family()))
	owners := map[uint64]int{} // by page of the file
	each := func(segs []Segment, f func(pos uint64)) {
		for _, s := range segs {
			for pos := s.Pos; pos < s.Pos+s.FileLen; pos += PageSize {
				f(pos)
			}
		}
	}
	all := append(im.placed.objects, im.placed.processes...)
	for _, segs := range all {
		each(segs, func(pos uint64) { owners[pos]++ })
	}
	shared := 0
	for pos, n := range owners {
		if got := im.Shares(Piece{Pos: pos, Len: PageSize, In: im}); got != (n > 1) {
			t.Errorf("page at %#x has %d owners; shared: %v", pos, n, got)
		}
		if n > 1 {
			shared++
		}
	}
	if shared == 0 || shared == len(owners) {
		t.Errorf("%d of %d pages are shared", shared, len(owners))
	}
}
