package save

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"ckpt/internal/sys"
)

// sharing finds processes that share one of the things that clone(2) lets them
// share. They are kept in the order that kcmp(2) gives them, so that one is
// found among thousands by a dozen questions.
type sharing struct {
	what int    // sys.ShareMemory and so on
	name string // of what is shared
	pids []int  // one of each group, in their order
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
		{what: sys.ShareMemory, name: "memory"},
		{what: sys.ShareDescriptors, name: "descriptor table"},
		{what: sys.ShareFS, name: "working directory and umask"},
	}
}

// checkSharing refuses processes that share something with others that are not
// saved with them, which would run on by themselves. Of processes of other users
// the kernel does not tell.
func (k *kin) checkSharing(subjects []*subject) error {
	all := sharings()
	inside := map[int]*subject{}
	for _, s := range subjects {
		inside[s.pid], inside[s.proc.PID] = s, s
		if s.zombie {
			continue
		}
		for _, g := range all {
			with, err := g.add(s.proc.PID)
			if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
				continue // the kernel does not tell
			} else if err != nil {
				return err
			}
			if with != 0 {
				s.refuse("process", fmt.Sprintf("shares its %s with process %d, which is saved with it", g.name, with), "")
			}
		}
	}
	pids, err := k.fs.Processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if inside[pid] != nil || slices.Contains(k.helpers, pid) {
			continue
		}
		for _, g := range all {
			at, found, err := g.search(pid)
			if err != nil || !found {
				continue // it has ended, or is somebody else's
			}
			s := inside[g.pids[at]]
			st, err := k.fs.Process(pid).Status()
			if err != nil || st.TracerPid != 0 && k.tracedWith(relative{pid, s.pid}, st.TracerPid) {
				break // it has ended, or was made by another save for a moment
			}
			s.refuse("process", fmt.Sprintf("shares its %s with process %d (%s), which would not be saved with it", g.name, pid, st.Name), "wait until that has ended")
		}
	}
	return nil
}
