package save

import (
	"errors"
	"fmt"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// A process in vfork(2), as posix_spawn(3) uses it, can not be stopped: it waits
// in the kernel until the child, which runs in its memory, has executed a
// program or ended. That mostly takes less than a millisecond. So the child is
// let alone until its parent stands.

// vforkLimit is how long a process may be in vfork before it is refused.
const vforkLimit = 5 * time.Second

// inVfork is the child that a thread of the process waits for in vfork, or 0.
func (k *kin) inVfork(pid int) int {
	tids, err := k.fs.Process(pid).Tasks()
	if err != nil {
		return 0
	}
	for _, tid := range tids {
		if child := k.waitsInVfork(pid, tid); child != 0 {
			return child
		}
	}
	return 0
}

// waitsInVfork is inVfork for one thread.
func (k *kin) waitsInVfork(pid, tid int) int {
	thread := k.fs.Thread(pid, tid)
	if st, err := thread.Stat(); err != nil || st.State != 'D' {
		return 0
	}
	call, err := thread.Syscall()
	if err != nil || call.Nr != abi.SysVfork && call.Nr != abi.SysClone && call.Nr != abi.SysClone3 {
		return 0
	}
	children, err := thread.Children()
	if err != nil {
		return 0
	}
	for _, c := range children {
		if k.sharesMemory(pid, c) {
			return c
		}
	}
	return 0
}

// sharesMemory reports whether the kernel says that two processes do.
func (k *kin) sharesMemory(pid, with int) bool {
	order, err := sys.KcmpOrder(pid, with, sys.ShareMemory)
	return err == nil && order == 0
}

// awaitVfork waits until none of the processes is in vfork any more, or k loses
// its patience. subjects are what was seen of them before, and it gives what is
// to be seen then.
func (k *kin) awaitVfork(subjects []*subject) ([]*subject, error) {
	for end := time.Now().Add(k.patience); ; time.Sleep(time.Millisecond) {
		waits := (*subject)(nil)
		for _, s := range subjects {
			if !s.zombie && k.sharesMemory(s.stat.PPid, s.pid) && k.inVfork(s.stat.PPid) == s.pid {
				waits = s
				break
			}
		}
		if waits == nil {
			return subjects, nil
		}
		if time.Now().After(end) {
			waits.refuse("process", fmt.Sprintf("was made by vfork(2) of process %d and has not executed a program since", waits.stat.PPid), "try again later")
			return subjects, nil
		}
		var err error
		if subjects, err = k.look(); err != nil {
			return nil, err
		}
	}
}

// stopThreads stops threads that have been seized. Those that are in vfork get
// no more than vforkLimit for it.
func (f *frozenTree) stopThreads(k *kin, deadline time.Time) error {
	err := ptrace.StopAll(f.all(), min(time.Until(deadline), vforkLimit))
	var slow *ptrace.TimeoutError
	if !errors.As(err, &slow) {
		return err
	}
	for _, p := range f.processes {
		for _, t := range p.threads {
			if t.Tid() != slow.Tid {
				continue
			}
			if child := k.waitsInVfork(p.pid, slow.Tid); child != 0 {
				return &RefusedError{f.name(k), []Finding{{
					Object: fmt.Sprintf("process %d", p.pid),
					Reason: fmt.Sprintf("waits in vfork(2) for process %d, which has not executed a program yet", child),
					Advice: "try again later",
				}}}
			}
		}
	}
	if time.Now().After(deadline) {
		return err
	}
	return ptrace.StopAll(f.all(), time.Until(deadline))
}
