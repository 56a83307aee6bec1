package save

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// sharing finds processes that share one of the things that clone(2) lets them
// share. They are kept in the order that kcmp(2) gives them, so that one is
// found among thousands by a dozen questions.
type sharing struct {
	what int                      // sys.ShareMemory and so on
	name string                   // of what is shared
	in   func(*image.Shares) *int // where it is noted; nil: it can not be shared again
	pids []int                    // one of each group, in their order
}

// add adds a process and gives the one added before that it shares with, or 0.
func (g *sharing) add(pid int) (with int, err error) {
	at, found, err := g.search(pid)
	if err != nil {
		return 0, err
	}
	if found {
		return g.pids[at], nil
	}
	g.pids = slices.Insert(g.pids, at, pid)
	return 0, nil
}

func (g *sharing) search(pid int) (at int, found bool, err error) {
	at, found = slices.BinarySearchFunc(g.pids, pid, func(a, b int) int {
		if err != nil {
			return 0
		}
		var order int
		order, err = sys.KcmpOrder(a, b, g.what)
		return order
	})
	return at, found && err == nil, err
}

// sharings are for everything that processes can share.
func sharings() []*sharing {
	return []*sharing{
		{what: sys.ShareMemory, name: "memory", in: func(s *image.Shares) *int { return &s.Memory }},
		{what: sys.ShareDescriptors, name: "descriptor table", in: func(s *image.Shares) *int { return &s.Descriptors }},
		{what: sys.ShareFS, name: "working directory and umask", in: func(s *image.Shares) *int { return &s.FS }},
		{what: sys.ShareActions, name: "signal handlers"},
	}
}

// findSharing finds out what processes share with each other, each with an
// earlier one. Of processes of other users the kernel does not tell.
func findSharing(subjects []*subject) ([]*sharing, error) {
	all, byID := sharings(), map[int]*subject{}
	for _, s := range subjects {
		if s.zombie {
			continue
		}
		byID[s.proc.PID] = s
		for _, g := range all {
			with, err := g.add(s.proc.PID)
			switch {
			case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSYS):
			case err != nil:
				return nil, err
			case with == 0:
			case g.in == nil:
				s.refuse("process", fmt.Sprintf("shares its %s with %s", g.name, byID[with].name()), "")
			default:
				*g.in(&s.shares) = byID[with].pid
			}
		}
	}
	return all, nil
}

// apart reports whether processes that shared nothing with each other before still do
// not: they have the same order then, so that each has to be compared with the next
// one only.
func apart(before []*sharing, subjects []*subject) bool {
	there := map[int]bool{}
	for _, s := range subjects {
		if !s.zombie {
			there[s.proc.PID] = true
		}
	}
	for _, g := range before {
		if len(g.pids) != len(there) {
			return false
		}
		for i, pid := range g.pids {
			if !there[pid] {
				return false
			}
			if i == 0 {
				continue
			}
			if order, err := sys.KcmpOrder(g.pids[i-1], pid, g.what); err != nil || order >= 0 {
				return false
			}
		}
	}
	return len(before) > 0
}

// startSharers finds out what processes share with each other, and begins to search
// for others that they share something with. What it gives waits for that, and
// refuses processes which share something with others that would run on by themselves.
func (k *kin) startSharers(subjects []*subject) (refuse func() error, err error) {
	all, err := findSharing(subjects)
	if err != nil {
		return nil, err
	}
	k.sharings = all
	inside := map[int]*subject{}
	for _, s := range subjects {
		inside[s.pid], inside[s.proc.PID] = s, s
	}
	var found []sharer
	searched := make(chan outcome, 1)
	go func() {
		searched <- call(func() error {
			pids, err := k.fs.Processes()
			if err != nil {
				return err
			}
			pids = slices.DeleteFunc(pids, func(pid int) bool { return inside[pid] != nil || slices.Contains(k.helpers, pid) })
			found = searchSharers(all, pids)
			return nil
		})
	}()
	return func() error {
		if err := (<-searched).result(); err != nil {
			return err
		}
		k.refuseSharers(inside, found)
		return nil
	}, nil
}

// refuseSharers refuses processes that share something with others.
func (k *kin) refuseSharers(inside map[int]*subject, all []sharer) {
	for _, found := range all {
		s, pid := inside[found.with], found.pid
		st, err := k.fs.Process(pid).Status()
		if err != nil || st.TracerPid != 0 && k.tracedWith(relative{pid, s.pid}, st.TracerPid) {
			continue // it has ended, or was made by another save for a moment
		}
		if inside[st.PPid] != nil {
			continue // it has just been made, and belongs to them
		}
		if _, still, err := found.what.search(pid); err != nil || !still {
			continue // a twin of another save takes descriptors of its own
		}
		if s.over() {
			continue // it has no memory, as kernel threads have none
		}
		s.refuse("process", fmt.Sprintf("shares its %s with process %d (%s), which would not be saved with it", found.what.name, pid, st.Name), "wait until that has ended")
	}
}

// sharer is a process that shares something with one of those that are saved.
type sharer struct {
	pid, with int
	what      *sharing
}

// searchSharers finds those of the processes that share one of these with one of
// the groups: by hand, since the kernel keeps no list. There can be thousands, so
// that all processors search.
func searchSharers(all []*sharing, pids []int) []sharer {
	found := make([][]sharer, runtime.GOMAXPROCS(0))
	share := (len(pids) + len(found) - 1) / len(found)
	var searching sync.WaitGroup
	for i := range found {
		part := pids[min(i*share, len(pids)):min((i+1)*share, len(pids))]
		searching.Go(func() {
			for _, pid := range part {
				for _, g := range all {
					if g.what == sys.ShareActions {
						continue // who shares them shares memory, too (clone(2))
					}
					// An error is that it has ended, or is somebody else's.
					if at, ok, err := g.search(pid); err == nil && ok {
						found[i] = append(found[i], sharer{pid, g.pids[at], g})
					}
				}
			}
		})
	}
	searching.Wait()
	return slices.Concat(found...)
}
