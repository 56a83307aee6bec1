package ptrace

import (
	"errors"
	"sync"
	"time"

	"ckpt/internal/sys"
)

// SeizeAll seizes threads of one process of which held are seized already. Those
// that have died meanwhile are left out; of the others, one that can not be
// seized ends it. Whatever was seized is returned.
//
// PTRACE_SEIZE waits as long as a thread of the process is in execve(2), which
// waits for the death of all others; and those that we trace have died only
// when somebody has waited for them (BUGS in ptrace(2)). The thread that seizes
// can not, so another one does, once it takes suspiciously long.
func SeizeAll(tids []int, held []*Thread) (seized []*Thread, err error) {
	r := reaper{done: make(chan struct{})}
	for _, t := range held {
		r.add(t.tid)
	}
	timer := time.AfterFunc(seizeTime, r.run)
	defer func() {
		timer.Stop()
		close(r.done)
	}()
	for _, tid := range tids {
		t, err := Seize(tid)
		switch {
		case errors.Is(err, ErrGone):
		case err != nil:
			return seized, err
		default:
			seized = append(seized, t)
			r.add(tid)
		}
	}
	return seized, nil
}

// seizeTime is much longer than it takes to seize hundreds of threads.
const seizeTime = 10 * time.Millisecond

// reaper waits for the end of traced threads.
type reaper struct {
	mu   sync.Mutex
	tids []int
	done chan struct{}
}

func (r *reaper) add(tid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tids = append(r.tids, tid)
}

func (r *reaper) run() {
	ticks := time.NewTicker(lastSleep)
	defer ticks.Stop()
	for {
		r.mu.Lock()
		for _, tid := range r.tids {
			_ = sys.ReapThread(tid) // Thread.look tells of those that are gone
		}
		r.mu.Unlock()
		select {
		case <-r.done:
			return
		case <-ticks.C:
		}
	}
}
