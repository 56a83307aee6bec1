package save

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// spread does something for each index below n, on all processors, and gives the
// errors by index. A processor takes so many indexes at a time: as many as make
// it worth to wake one up.
func spread(n, atOnce int, do func(i int) error) []error {
	errs := make([]error, n)
	var next atomic.Int64
	work := func() error {
		for {
			end := int(next.Add(int64(atOnce)))
			if end-atOnce >= n {
				return nil
			}
			for i := end - atOnce; i < min(end, n); i++ {
				errs[i] = do(i)
			}
		}
	}
	var workers sync.WaitGroup
	ended := make([]outcome, max(min((n+atOnce-1)/atOnce, runtime.GOMAXPROCS(0))-1, 0))
	for i := range ended {
		workers.Go(func() { ended[i] = call(work) })
	}
	_ = work() // errors are in errs
	workers.Wait()
	for _, o := range ended {
		_ = o.result() // a panic goes on here
	}
	return errs
}
