package save

import (
	"errors"
	"slices"
	"sync"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// muchSmall reports whether so much private memory, in bytes, is in small pages.
func muchSmall(p proc.Process, vmas []proc.VMA, much uint64) (bool, error) {
	s, err := newPageScanner(p)
	if err != nil {
		return false, err
	}
	defer s.Close()
	s.gentle = true
	n := uint64(0)
	for i := range vmas {
		v := &vmas[i]
		if k := kindOf(v); k != image.Anonymous && k != image.PrivateFile || v.Start >= uint64(image.MaxAddr) {
			continue
		}
		some, err := s.small(v.Start, v.End, much-n)
		if err != nil {
			return false, err
		}
		if n += some; n >= much {
			return true, nil
		}
	}
	return false, nil
}

// arm watches what can be copied ahead, and finds out what there is. After that, beside
// the copying, the flags of mappings are read.
func (a *ahead) arm() error {
	a.areas = slices.DeleteFunc(a.areas, func(area image.Area) bool {
		return a.watch.add(uint64(area.Start), uint64(area.End)) != nil // it is gone, or of a kind that is not watched
	})
	for _, area := range a.areas {
		var private []image.Run
		not := others(&area)
		err := a.stepwise(&area, func(start, end uint64) error {
			return a.watch.arm(start, end, not, func(start, end, categories uint64) {
				if categories&not == 0 {
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
	a.flags = sync.OnceValue(func() []proc.VMA {
		vmas, _ := a.proc.Smaps() // it may have ended
		return vmas
	})
	go a.flags()
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
