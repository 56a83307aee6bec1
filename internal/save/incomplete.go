package save

import (
	"slices"
	"time"

	"ckpt/internal/pager"
	"ckpt/internal/proc"
)

// pagerLimit is how long to wait for the rest of the memory of a process that is just
// being restored lazily, before it is refused.
const pagerLimit = 30 * time.Second

// awaitPager waits until all processes have all of their memory, before any is frozen:
// what a pager has not given them yet would be zero in the image.
func awaitPager(subjects []*subject) {
	if !pager.Any() {
		return
	}
	for _, s := range subjects {
		for end := time.Now().Add(pagerLimit); !s.zombie && incomplete(s.proc); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				s.refuse("memory", "is still being read from the image that the process was restored from by --lazy", "try again later")
				break
			}
		}
	}
}

// incomplete reports whether a pager has still to give a process some of its memory.
func incomplete(p proc.Process) bool {
	vmas, err := p.Smaps()
	if err != nil {
		return false // the save will fail by that as well
	}
	return slices.ContainsFunc(vmas, func(v proc.VMA) bool { return slices.Contains(v.VmFlags, pager.Flag) })
}
