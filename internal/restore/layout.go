package restore

import (
	"errors"

	"ckpt/internal/image"
)

const pageSize = 4096

// userEnd is where the addresses end that the kernel gives out unasked
// (TASK_SIZE_MAX with four levels of page tables).
const userEnd = 1<<47 - pageSize

// span is the memory from start up to, but not including, end.
type span struct{ start, end uint64 }

func (s span) size() uint64 { return s.end - s.start }

const (
	// parkFrom is where the search for a place for the interpreter begins:
	// between the heap of position-dependent programs below and everything
	// that the kernel places on top.
	parkFrom = 0x100000000000
	// parkDistance is kept free around it: more than the gap that the kernel
	// wants below a stack (256 pages).
	parkDistance = 16 << 20
)

// findGap finds size bytes of address space in which the saved process has
// nothing, with some distance to what it has.
func findGap(areas []image.Area, size uint64) (span, error) {
	for _, from := range []uint64{parkFrom, 1 << 32} {
		if size > userEnd {
			break // and the sums below could wrap
		}
		at := from
		for i := range areas {
			start, end := uint64(areas[i].Start), uint64(areas[i].End)
			if end+parkDistance <= at {
				continue
			}
			if start >= at+size+parkDistance {
				break
			}
			at = end + parkDistance
		}
		if at+size <= userEnd {
			return span{at, at + size}, nil
		}
	}
	return span{}, errors.New("the saved process leaves no room in its address space for the restorer")
}
