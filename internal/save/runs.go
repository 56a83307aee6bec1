package save

import (
	"cmp"
	"slices"

	"ckpt/internal/image"
)

// Lists of runs are in order, and runs of one list do not overlap, unless said
// otherwise.

// intersect gives what is in both lists.
func intersect(a, b []image.Run) (out []image.Run) {
	for len(a) > 0 && len(b) > 0 {
		endA, endB := a[0].Start+a[0].Len, b[0].Start+b[0].Len
		if from, to := max(a[0].Start, b[0].Start), min(endA, endB); from < to {
			out = append(out, image.Run{Start: from, Len: to - from})
		}
		if endA <= endB {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// within gives what of a list is in a range.
func within(list []image.Run, of image.Run) (out []image.Run) {
	i, _ := slices.BinarySearchFunc(list, of.Start, func(r image.Run, at uint64) int {
		if r.Start+r.Len <= at {
			return -1
		}
		return 1
	})
	for _, r := range list[i:] {
		from, to := max(r.Start, of.Start), min(r.Start+r.Len, of.Start+of.Len)
		if from >= to {
			break
		}
		out = append(out, image.Run{Start: from, Len: to - from})
	}
	return out
}

// subtract gives what of a is not in b, whose runs may overlap.
func subtract(a, b []image.Run) (out []image.Run) {
	for _, r := range a {
		for len(b) > 0 && b[0].Start+b[0].Len <= r.Start {
			b = b[1:]
		}
		for _, s := range b {
			if s.Start >= r.Start+r.Len {
				break
			}
			if s.Start > r.Start {
				out = append(out, image.Run{Start: r.Start, Len: s.Start - r.Start})
			}
			if end := s.Start + s.Len; end >= r.Start+r.Len {
				r.Len = 0
				break
			} else if end > r.Start {
				r.Start, r.Len = end, r.Start+r.Len-end
			}
		}
		if r.Len > 0 {
			out = append(out, r)
		}
	}
	return out
}

// sorted puts runs, which may overlap, in order.
func sorted(runs []image.Run) []image.Run {
	slices.SortFunc(runs, func(a, b image.Run) int { return cmp.Compare(a.Start, b.Start) })
	return runs
}

// total is the length of all runs, in bytes.
func total(runs []image.Run) (n uint64) {
	for _, r := range runs {
		n += r.Len
	}
	return n
}
