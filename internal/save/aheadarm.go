package save

import (
	"errors"
	"slices"
	"sync"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// hugeMemory is how much private memory is in huge pages, in bytes.
func hugeMemory(p proc.Process, vmas []proc.VMA) (n uint64, err error) {
	s, err := newPageScanner(p)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	s.gentle = true
	for i := range vmas {
		if v := &vmas[i]; kindOf(v) == image.Anonymous && v.Start < uint64(image.MaxAddr) {
			if err := s.huge(v.Start, v.End, func(start, end uint64) { n += end - start }); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// arm watches what can be copied ahead, and finds out what there is. Beside that, and
// as long as it takes, the flags of mappings are read.
func (a *ahead) arm() error {
	a.areas = slices.DeleteFunc(a.areas, func(area image.Area) bool {
		return a.watch.add(uint64(area.Start), uint64(area.End)) != nil // it is gone, or of a kind that is not watched
	})
	a.flags = sync.OnceValue(func() []proc.VMA {
		vmas, _ := a.proc.Smaps() // it may have ended
		return vmas
	})
	go a.flags()
	for _, area := range a.areas {
		var private []image.Run
		err := a.stepwise(&area, func(start, end uint64) error {
			return a.watch.arm(start, end, func(start, end, categories uint64) {
				if categories&(sys.PageFile|sys.PageZero) == 0 {
					private = appendRun(private, start, end)
				}
			})
		})
		if err != nil {
			return err
		}
		a.private = append(a.private, private...)
		if area.Whole {
			a.runs = append(a.runs, runOf(&area))
		} else {
			a.runs = append(a.runs, private...)
		}
	}
	return nil
}

// watchStep is how much memory is armed at once, in bytes.
const watchStep = 8 << 20

// stepwise arms an area in steps. A step in which something is not watched any more
// fails as a whole, and what it would have told is lost.
func (a *ahead) stepwise(area *image.Area, arm func(start, end uint64) error) error {
	for at := uint64(area.Start); at < uint64(area.End); {
		end := min(at&^(watchStep-1)+watchStep, uint64(area.End))
		err := arm(at, end)
		if errors.Is(err, errUnwatched) {
			a.miss(image.Run{Start: at, Len: end - at})
		} else if err != nil {
			return err
		}
		at = end
	}
	return nil
}
