package image

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// maxProcesses and maxThreads bound an image. Linux allows some four million ids
// in all (PID_MAX_LIMIT, include/linux/threads.h).
const (
	maxProcesses = 10_000
	maxThreads   = 200_000
)

// checkTree checks how the processes belong together.
func (m *Manifest) checkTree() error {
	switch n := len(m.Processes); {
	case n == 0 || n > maxProcesses:
		return fmt.Errorf("%d processes; an image holds from 1 to %d", n, maxProcesses)
	case m.Processes[0].Zombie:
		return errors.New("the first process has ended")
	}
	seen := make(map[int]bool) // thread ids, those of leaders are process ids
	threads := 0
	for i := range m.Processes {
		p := &m.Processes[i]
		threads += len(p.Threads)
		for j := range p.Threads {
			tid := p.Threads[j].TID
			if seen[tid] {
				return fmt.Errorf("thread %d is there twice", tid)
			}
			seen[tid] = true
		}
	}
	if threads > maxThreads {
		return fmt.Errorf("%d threads; an image holds %d at most", threads, maxThreads)
	}
	return m.checkParents()
}

// checkParents checks that parents come before their children. The parent of
// an orphan need not be in the image.
func (m *Manifest) checkParents() error {
	later := make(map[int]bool, len(m.Processes))
	for i := range m.Processes {
		later[m.Processes[i].PID] = true
	}
	for i := range m.Processes {
		p := &m.Processes[i]
		if later[p.PPID] {
			return fmt.Errorf("process %d comes before its parent %d", p.PID, p.PPID)
		}
		delete(later, p.PID)
	}
	for i := range m.Processes {
		if err := m.checkChild(&m.Processes[i]); err != nil {
			return err
		}
	}
	return m.checkShares()
}

// checkChild checks what a process is to its parent.
func (m *Manifest) checkChild(p *Process) error {
	if t := p.ParentThread; t != 0 && !slices.ContainsFunc(m.Processes, func(q Process) bool { return q.PID == p.PPID && q.hasThread(t) }) {
		return fmt.Errorf("process %d is the child of thread %d, which is none of its parent's", p.PID, t)
	}
	status := syscall.WaitStatus(p.Untold)
	if p.Untold != 0 && (p.Zombie || p.Stopped != status.Stopped() || !p.Stopped && !status.Continued()) {
		return fmt.Errorf("process %d has news %#x for its parent, which can not be", p.PID, p.Untold)
	}
	return nil
}

// hasThread reports whether the process has the thread, besides its leader.
func (p *Process) hasThread(tid int) bool {
	return slices.ContainsFunc(p.Threads[1:], func(t Thread) bool { return t.TID == tid })
}

// checkShares checks that what is shared belongs to an earlier process, and is
// listed there only.
func (m *Manifest) checkShares() error {
	earlier := make(map[int]*Process, len(m.Processes))
	for i := range m.Processes {
		p := &m.Processes[i]
		for _, s := range []struct {
			what  string
			with  int
			own   int
			first func(*Process) int
		}{
			{"memory", p.Shares.Memory, len(p.Areas), func(q *Process) int { return q.Shares.Memory }},
			{"descriptors", p.Shares.Descriptors, len(p.Descriptors), func(q *Process) int { return q.Shares.Descriptors }},
			{"working directory", p.Shares.FS, 0, func(q *Process) int { return q.Shares.FS }},
		} {
			if s.with == 0 {
				continue
			}
			if q := earlier[s.with]; q == nil || q.Zombie || s.first(q) != 0 || s.own > 0 {
				return fmt.Errorf("process %d shares its %s with %d, which can not be", p.PID, s.what, s.with)
			}
		}
		earlier[p.PID] = p
	}
	return nil
}

func checkObjects(all []Object) (map[uint64]*Object, error) {
	byID := make(map[uint64]*Object, len(all))
	for i := range all {
		o := &all[i]
		if o.ID == 0 || byID[o.ID] != nil || o.Size == 0 || o.Size%PageSize != 0 || o.Size > uint64(MaxAddr) {
			return nil, fmt.Errorf("shared memory object %d of %d bytes, or there twice", o.ID, o.Size)
		}
		byID[o.ID] = o
	}
	return byID, nil
}

// checkWindows checks that areas that show an object do not show more.
func checkWindows(areas []Area, objects map[uint64]*Object) error {
	for i := range areas {
		a := &areas[i]
		o := objects[a.Object]
		if o == nil {
			continue
		}
		if a.Kind != SharedAnonymous && a.Kind != SharedFile {
			return fmt.Errorf("area %v-%v is of kind %q, and shows object %d", a.Start, a.End, a.Kind, o.ID)
		}
		if a.Offset%PageSize != 0 || a.Offset > o.Size || a.Size() > o.Size-a.Offset {
			return fmt.Errorf("area %v-%v shows bytes from %#x on of object %d, which has %#x", a.Start, a.End, a.Offset, o.ID, o.Size)
		}
	}
	return nil
}
