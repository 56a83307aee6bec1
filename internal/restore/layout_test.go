package restore

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ckpt/internal/image"
)

// randomAreas are areas in order, many of them around where gaps are looked
// for.
func randomAreas(t *rapid.T) []image.Area {
	near := rapid.SampledFrom([]uint64{0x10000, 1 << 32, parkFrom, parkFrom - parkDistance, 1 << 46, userEnd - 1<<36})
	var areas []image.Area
	for range rapid.IntRange(0, 40).Draw(t, "areas") {
		start := near.Draw(t, "near") + rapid.Uint64Range(0, 1<<16).Draw(t, "pages")*pageSize
		size := rapid.SampledFrom([]uint64{1, 7, 4096, 1 << 16, 1 << 24, 1 << 33}).Draw(t, "size") * pageSize
		areas = append(areas, image.Area{Start: image.Addr(start), End: image.Addr(start + size)})
	}
	slices.SortFunc(areas, func(a, b image.Area) int { return int(int64(a.Start) - int64(b.Start)) })
	apart := areas[:0]
	for _, a := range areas {
		a.End = min(a.End, userEnd)
		if n := len(apart); a.Start < a.End && (n == 0 || apart[n-1].End <= a.Start) {
			apart = append(apart, a)
		}
	}
	return apart
}

func TestFindGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		areas := randomAreas(t)
		size := rapid.SampledFrom([]uint64{1, 256, 1 << 12, 1 << 20, 1 << 30, 1 << 34}).Draw(t, "need") * pageSize
		gap, err := findGap(areas, size)
		if err != nil {
			// It must be really full: no place behind any area, nor at the start.
			at := uint64(parkFrom)
			for i := range areas {
				if uint64(areas[i].End)+parkDistance > at && uint64(areas[i].Start) < at+size+parkDistance {
					at = uint64(areas[i].End) + parkDistance
				}
			}
			if at+size <= userEnd {
				t.Fatalf("%#x bytes would fit at %#x: %v", size, at, err)
			}
			return
		}
		if gap.size() != size || gap.start%pageSize != 0 || gap.end > userEnd || gap.start < 1<<32 {
			t.Fatalf("gap %#x-%#x of %#x bytes", gap.start, gap.end, size)
		}
		for _, a := range areas {
			if uint64(a.Start) < gap.end+parkDistance && gap.start < uint64(a.End)+parkDistance {
				t.Fatalf("gap %#x-%#x is too near to area %v-%v", gap.start, gap.end, a.Start, a.End)
			}
		}
	})
}

func TestFindGapEdges(t *testing.T) {
	t.Parallel()
	area := func(start, end uint64) image.Area {
		return image.Area{Start: image.Addr(start), End: image.Addr(end)}
	}
	for _, test := range []struct {
		name  string
		areas []image.Area
		size  uint64
		want  uint64 // 0: none
	}{
		{"nothing", nil, pageSize, parkFrom},
		{"there itself", []image.Area{area(parkFrom, parkFrom+pageSize)}, pageSize, parkFrom + pageSize + parkDistance},
		{"ends there", []image.Area{area(parkFrom-pageSize, parkFrom)}, pageSize, parkFrom + parkDistance},
		{"ends at the distance", []image.Area{area(parkFrom-parkDistance-pageSize, parkFrom-parkDistance)}, pageSize, parkFrom},
		{"begins at the distance", []image.Area{area(parkFrom+pageSize+parkDistance, userEnd)}, pageSize, parkFrom},
		{"all above", []image.Area{area(parkFrom, userEnd)}, pageSize, 1 << 32},
		{"up to the end", []image.Area{area(1<<32, userEnd-2*parkDistance)}, parkDistance, userEnd - parkDistance},
		{"everything", []image.Area{area(pageSize, userEnd)}, pageSize, 0},
		{"more than there is", nil, 1 << 47, 0},
		{"more than numbers have", nil, ^uint64(0) - pageSize + 1, 0},
	} {
		gap, err := findGap(test.areas, test.size)
		if (err != nil) != (test.want == 0) || gap.start != test.want {
			t.Errorf("%s: gap at %#x (%v), want %#x", test.name, gap.start, err, test.want)
		}
	}
}
