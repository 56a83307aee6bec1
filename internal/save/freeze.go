package save

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// frozen is a process whose threads are all stopped by us and will go on as if
// nothing had happened when it is released.
//
// Precondition of all its methods: the goroutine is locked to the OS thread
// that froze it.
type frozen struct {
	threads []*frozenThread // those that live, in the order of their ids
	mem     *os.File
	since   time.Time
	freed   bool
	actions map[int]abi.SigAction
}

// frozenThread is one thread of it.
type frozenThread struct {
	*ptrace.Thread
	mask   uint64    // signals that it blocks
	resume *abi.Regs // registers to go on with, if they are not the ones it has
}

// freeze stops all threads of a process, or says why it can not.
func freeze(pfs proc.FS, pid int, timeout time.Duration) (*frozen, error) {
	f := &frozen{since: time.Now()}
	err := f.stop(pfs.Process(pid), f.since.Add(timeout))
	if err == nil {
		// Not before: a running process may execute another program. A leader
		// that has ended has no memory.
		f.mem, err = os.OpenFile(pfs.Process(f.threads[0].Tid()).Path("mem"), os.O_RDWR, 0)
	}
	if err != nil {
		f.release()
		return nil, gone(pid, endedMeanwhile(pid, err))
	}
	return f, nil
}

// stop stops threads until there are no others. Those that are new have been
// made by others before these were stopped.
func (f *frozen) stop(p proc.Process, deadline time.Time) error {
	zombies := map[int]bool{} // a leader stays one as long as others run
	for {
		tids, err := p.Tasks()
		if err != nil {
			return err
		}
		held := f.all()
		known := maps.Clone(zombies)
		for _, t := range held {
			known[t.Tid()] = true
		}
		fresh := slices.DeleteFunc(tids, func(tid int) bool { return known[tid] })
		if len(fresh) == 0 && len(held) == 0 {
			return ended(p.PID)
		}
		if len(fresh) == 0 {
			break
		}
		if time.Now().After(deadline) {
			return &RefusedError{fmt.Sprintf("process %d", p.PID), []Finding{{"process", "makes new threads faster than they can be stopped", "try again later"}}}
		}
		seized, err := ptrace.SeizeAll(fresh, held)
		for _, t := range seized {
			f.threads = append(f.threads, &frozenThread{Thread: t})
		}
		var refused *ptrace.SeizeError
		if errors.As(err, &refused) && refused.Reason == ptrace.Zombie {
			zombies[refused.Tid] = true
		} else if err != nil {
			return err
		}
		if err := ptrace.StopAll(f.all(), time.Until(deadline)); err != nil {
			return err
		}
		f.threads = slices.DeleteFunc(f.threads, func(t *frozenThread) bool { return t.Gone() })
	}
	slices.SortFunc(f.threads, func(a, b *frozenThread) int {
		return cmp.Or(-cmp.Compare(lead(a, p.PID), lead(b, p.PID)), cmp.Compare(a.Tid(), b.Tid()))
	})
	return nil
}

// lead is 1 for the leader, whose id need not be the lowest.
func lead(t *frozenThread, pid int) int {
	if t.Tid() == pid {
		return 1
	}
	return 0
}

func (f *frozen) all() []*ptrace.Thread {
	var all []*ptrace.Thread
	for _, t := range f.threads {
		all = append(all, t.Thread)
	}
	return all
}

// alive gives an error if the process has been killed.
func (f *frozen) alive() error {
	_, err := f.threads[0].Regs()
	return err
}

func ended(pid int) error {
	return fmt.Errorf("process %d ended while it was looked at: %w", pid, ErrNoProcess)
}

// endedMeanwhile says in a user's words that the process died under our hands.
func endedMeanwhile(pid int, err error) error {
	if errors.Is(err, ptrace.ErrGone) {
		return ended(pid)
	}
	return err
}

// release lets the process go on. It may be called again.
func (f *frozen) release() error {
	if f.freed {
		return nil
	}
	f.freed = true
	if f.mem != nil {
		defer f.mem.Close()
	}
	// All registers before the first thread runs: it may take a signal.
	interrupted, claimed := make([]bool, len(f.threads)), uint64(0)
	for i, t := range f.threads {
		interrupted[i] = t.resume != nil && t.Stopped() && f.interrupted(t, claimed)
		claimed |= ^t.mask
	}
	var errs []error
	for i, t := range f.threads {
		// One that does not stand is let go by the kernel when our OS thread
		// ends.
		if !t.Stopped() {
			continue
		}
		if t.resume != nil && !interrupted[i] {
			errs = append(errs, t.SetRegs(*t.resume))
		}
		errs = append(errs, t.Detach())
	}
	return errors.Join(errs...)
}

// interrupted reports whether a handler is about to run in the thread, for a
// signal that came while the process was frozen: then the EINTR that its call
// has got is the right one. claimed are signals that other threads take.
func (f *frozen) interrupted(ft *frozenThread, claimed uint64) bool {
	t := image.Thread{SigMask: ft.mask}
	var shared [][]byte
	var err error
	if t.Pending, err = pending(ft.Thread, false); err != nil {
		return false // it is gone
	}
	if shared, err = pending(ft.Thread, true); err != nil {
		return false
	}
	return nextHandler(&t, shared, claimed, f.actions) != ptrace.NoHandler
}

// pending lists queued signals as the manifest has them.
func pending(t *ptrace.Thread, shared bool) ([][]byte, error) {
	infos, err := t.Pending(shared)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, i := range infos {
		out = append(out, i[:])
	}
	return out, nil
}

// nextHandler says what handler will run as soon as the thread goes on. Of the
// signals to the whole process it takes those that are not claimed: the threads
// are let go in their order, so that earlier ones take what they do not block.
func nextHandler(t *image.Thread, shared [][]byte, claimed uint64, actions map[int]abi.SigAction) ptrace.Handler {
	for i, queue := range [][][]byte{t.Pending, shared} {
		blocked := t.SigMask
		if i > 0 {
			blocked |= claimed
		}
		for _, info := range queue {
			sig := int(info[0]) // si_signo, little endian, at most 64
			if sig < 1 || sig > abi.NSig || blocked&(1<<(sig-1)) != 0 {
				continue
			}
			a, set := actions[sig]
			if !set || a.Handler <= sigIgn {
				continue
			}
			if a.Flags&saRestart != 0 {
				return ptrace.RestartingHandler
			}
			return ptrace.InterruptHandler
		}
	}
	return ptrace.NoHandler
}

// From signal(7) and asm-generic/signal-defs.h.
const (
	sigIgn    = 1
	saRestart = 0x10000000
)
