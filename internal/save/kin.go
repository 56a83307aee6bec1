package save

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"ckpt/internal/proc"
)

// kin finds the processes that are saved together: one and its descendants.
type kin struct {
	fs       proc.FS
	root     int
	given    []int         // descriptors that will be handed over at the restore
	helpers  []int         // work for the save, and are no part of what is saved
	alone    bool          // the root's children are not saved with it
	patience time.Duration // for a process in vfork, before any is frozen
	sharings []*sharing    // of those that were looked at last
	hidden   time.Time     // until when to wait for processes that may not be looked into; set by the first
}

// hiddenLimit is how long to wait for them. In the middle of an execve, and of a
// restore, a process is closed to its own user for a moment.
const hiddenLimit = time.Second

// relative is one of them.
type relative struct{ pid, parent int }

// list gives the root and its descendants, parents before their children. It is
// complete only if all of them are stopped.
//
// An orphan whose parent has ended is the child of the next child subreaper
// above it: it is found if that is a descendant of the root, and has left the
// tree otherwise.
func (k *kin) list() ([]relative, error) {
	st, err := k.fs.Process(k.root).Stat()
	if err != nil {
		return nil, err
	}
	all := []relative{{k.root, st.PPid}}
	seen := map[int]bool{k.root: true}
	middles := map[int]bool{}
	var below []offspring // of those in all
	for i := 0; i < len(all) && !k.alone; i++ {
		if i == len(below) {
			below = append(below, k.generation(all[i:])...)
		}
		children, err := below[i].list, below[i].err
		if errors.Is(err, proc.ErrGone) {
			continue // it has ended, and its children are somebody else's
		} else if err != nil {
			return nil, err
		}
		if i > 0 && k.middle(all[i], children) {
			middles[all[i].pid] = true
			continue
		}
		for _, c := range children {
			if !seen[c] { // by a parent that has ended since
				seen[c] = true
				all = append(all, relative{c, all[i].pid})
			}
		}
	}
	return slices.DeleteFunc(all, func(r relative) bool { return middles[r.pid] }), nil
}

// offspring are the children of one process.
type offspring struct {
	list []int
	err  error
}

// generation looks for the children of several processes, on all processors.
func (k *kin) generation(of []relative) []offspring {
	all := make([]offspring, len(of))
	spread(len(of), listedAtOnce, func(i int) error {
		all[i].list, all[i].err = k.children(of[i].pid)
		return nil
	})
	return all
}

// listedAtOnce is how many a processor looks at before it takes others.
const listedAtOnce = 8

// children lists the children of one process.
func (k *kin) children(pid int) ([]int, error) {
	list, err := k.fs.Process(pid).Children()
	if errors.Is(err, fs.ErrNotExist) {
		list, err = k.searchChildren(pid) // a kernel without CONFIG_PROC_CHILDREN
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(c int) bool { return slices.Contains(k.helpers, c) }), nil
}

// searchChildren is children where the kernel does not list them.
func (k *kin) searchChildren(pid int) ([]int, error) {
	pids, err := k.fs.Processes()
	if err != nil {
		return nil, err
	}
	var list []int
	for _, p := range pids {
		st, err := k.fs.Process(p).Stat()
		if err == nil && st.PPid == pid {
			list = append(list, p)
		}
	}
	return list, nil
}

// look looks at all of them as they run, and notes what can not be saved.
func (k *kin) look() ([]*subject, error) {
	list, err := k.list()
	if err != nil {
		return nil, gone(k.root, err)
	}
	var subjects []*subject
	for i, r := range list {
		s, err := k.lookPatiently(r.pid)
		if i > 0 && err != nil && k.over(r.pid) {
			continue // it has just ended, or is about to
		} else if err != nil {
			return nil, err
		}
		if i > 0 && s.status.TracerPid != 0 && k.tracedWith(r, s.status.TracerPid) {
			continue // the middle child of another save, see ptrace.Twin
		}
		subjects = append(subjects, s)
	}
	root := subjects[0]
	if root.zombie {
		root.refuse("process", "is a zombie: it has ended and waits for its parent", "")
	}
	if k.alone && len(root.obstacles) == 0 {
		if err := k.refuseChildren(root); err != nil {
			return nil, err
		}
	}
	return subjects, nil
}

// lookPatiently is look that waits for a process that may not be looked into, but is
// of our user.
func (k *kin) lookPatiently(pid int) (*subject, error) {
	for {
		s, err := look(k.fs, pid)
		if err != nil {
			return nil, err
		}
		if !s.hidden {
			return s, s.checkExecutable()
		}
		if k.hidden.IsZero() {
			k.hidden = time.Now().Add(hiddenLimit)
		}
		if time.Now().After(k.hidden) {
			return s, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// over reports whether a process has ended, or is about to.
func (k *kin) over(pid int) bool {
	st, err := k.fs.Process(pid).Status()
	return err != nil || st.Over()
}

// refuseChildren refuses a process that is to be saved alone and is not.
func (k *kin) refuseChildren(root *subject) error {
	children, err := k.children(k.root)
	if err != nil {
		return gone(k.root, err)
	}
	for _, c := range children {
		st, err := k.fs.Process(c).Status()
		if errors.Is(err, proc.ErrGone) {
			continue
		} else if err != nil {
			return err
		}
		if st.TracerPid != 0 && k.tracedWith(relative{c, k.root}, st.TracerPid) {
			continue
		}
		if below, err := k.children(c); err == nil && k.middle(relative{c, k.root}, below) {
			continue
		}
		root.refuse(fmt.Sprintf("child process %d (%s)", c, st.Name), "would not be saved with it: only this process was asked for", "wait until it has ended, or save all of them")
	}
	return nil
}

// tracedWith reports whether a child has the same tracer as its parent, or has
// ended since it was looked at.
func (k *kin) tracedWith(r relative, tracer int) bool {
	now, err := k.fs.Process(r.parent).Status()
	if err != nil || now.TracerPid == tracer {
		return true
	}
	_, err = k.fs.Process(r.pid).Status()
	return errors.Is(err, proc.ErrGone)
}
