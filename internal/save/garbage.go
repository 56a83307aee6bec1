package save

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync"
)

// Go's garbage collector begins when there are 4 MB, and takes a sixth of the time
// that processes stand still. So it waits until there is much to collect.

// garbageLimit is how much memory this process may have until then, in bytes.
const garbageLimit = 256 << 20

// garbage is what is common to the saves of this process, as tests make them at the
// same time.
var garbage struct {
	sync.Mutex
	saves   int // that are in a hurry
	percent int
	limit   int64
}

// keepGarbage lets garbage be until the function that it gives is called, or there is
// too much of it.
func keepGarbage() (collect func()) {
	garbage.Lock()
	defer garbage.Unlock()
	if garbage.saves++; garbage.saves == 1 {
		if garbage.limit = debug.SetMemoryLimit(-1); garbage.limit == math.MaxInt64 { // nobody has set another one
			debug.SetMemoryLimit(garbageLimit)
		}
		garbage.percent = debug.SetGCPercent(-1)
	}
	collect = sync.OnceFunc(func() {
		garbage.Lock()
		defer garbage.Unlock()
		if garbage.saves--; garbage.saves == 0 {
			debug.SetGCPercent(garbage.percent)
			debug.SetMemoryLimit(garbage.limit)
		}
	})
	// This is garbage from the beginning: it is noticed when there was too much.
	runtime.AddCleanup(new([2]*int), func(collect func()) { collect() }, collect)
	return collect
}
