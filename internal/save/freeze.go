package save

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// frozenTree are the processes that are saved together when all of their
// threads are stopped by us. They will go on as if nothing had happened when
// they are released.
//
// Precondition of all its methods: the goroutine is locked to the OS thread
// that froze it.
type frozenTree struct {
	processes []*frozen // the root first, parents before their children
	since     time.Time
	freed     bool
}

// frozen is one of the processes.
type frozen struct {
	pid      int
	threads  []*frozenThread // those that live, the leader first; none if it has ended
	zombies  map[int]bool    // those that have ended, but that are still to be seen
	standing bool            // all of them are stopped
	mem      *os.File
}

// frozenThread is one thread of it.
type frozenThread struct {
	*ptrace.Thread
	resume *abi.Regs // registers to go on with, if they are not the ones it has
}

// freeze stops all threads of a tree of processes, or says why it can not.
// first are those of them that are known.
func freeze(k *kin, first []relative, timeout time.Duration) (*frozenTree, error) {
	f := &frozenTree{since: time.Now()}
	err := f.stop(k, first, f.since.Add(timeout))
	if err == nil {
		err = f.openMemory(k.fs)
	}
	if err != nil {
		_ = f.release() // the first error is the one that counts
		return nil, gone(k.root, endedMeanwhile(k.root, err))
	}
	return f, nil
}

// stop stops threads until there are no others, and no other processes. Those
// that are new have been made by others before these were stopped.
func (f *frozenTree) stop(k *kin, list []relative, deadline time.Time) error {
	for known := true; ; known = false {
		if !known {
			var err error
			if list, err = k.list(); err != nil {
				return err
			}
		}
		fresh, err := f.update(k, list)
		if err != nil {
			return err
		}
		if fresh == 0 && !known {
			return nil
		}
		if time.Now().After(deadline) {
			return &RefusedError{f.name(k), []Finding{{Object: "process", Reason: "makes new threads or processes faster than they can be stopped", Advice: "try again later"}}}
		}
		if err := f.stopThreads(k, deadline); err != nil {
			return err
		}
		for _, p := range f.processes {
			p.threads = slices.DeleteFunc(p.threads, func(t *frozenThread) bool { return t.Gone() })
			p.standing = true
		}
	}
}

// process is the frozen one with that id, nil if there is none.
func (f *frozenTree) process(pid int) *frozen {
	i := slices.IndexFunc(f.processes, func(p *frozen) bool { return p.pid == pid })
	if i < 0 {
		return nil
	}
	return f.processes[i]
}

func (f *frozenTree) name(k *kin) string { return fmt.Sprintf("process %d", k.root) }

// update seizes those processes of the list, and threads of them, that are not
// seized yet, and gives the number of what has changed. Those that do not belong
// to the tree any more may run on.
func (f *frozenTree) update(k *kin, list []relative) (fresh int, err error) {
	held := map[int]*frozen{}
	for _, p := range f.processes {
		held[p.pid] = p
	}
	f.processes = nil
	now := map[int]*frozen{}
	for i, r := range list {
		p := held[r.pid]
		if above := now[r.parent]; p == nil && above != nil && !above.standing && k.sharesMemory(r.parent, r.pid) {
			fresh++ // its parent may wait for it in vfork
			continue
		}
		if p == nil {
			p = &frozen{pid: r.pid, zombies: map[int]bool{}}
		}
		delete(held, r.pid)
		now[r.pid] = p
		f.processes = append(f.processes, p)
		n, err := p.seize(k.fs)
		if errors.Is(err, proc.ErrGone) && i > 0 {
			// It has ended, and its children may have got another parent after
			// that one was asked for its own.
			f.processes = f.processes[:len(f.processes)-1]
			fresh++
			continue
		} else if err != nil {
			return 0, err
		}
		if len(p.threads) == 0 && n == 0 && i == 0 {
			return 0, ended(r.pid)
		}
		fresh += n
	}
	for _, p := range held {
		for _, t := range p.threads {
			if t.Stopped() {
				_ = t.Detach() // it is killed, if that fails
			}
		}
	}
	return fresh, nil
}

// seize seizes the threads of a process that are not seized yet, and gives their
// number, of which some can have ended meanwhile.
func (p *frozen) seize(pfs proc.FS) (fresh int, err error) {
	tids, err := pfs.Process(p.pid).Tasks()
	if err != nil {
		return 0, err
	}
	known := map[int]bool{}
	for _, t := range p.threads {
		known[t.Tid()] = true
	}
	tids = slices.DeleteFunc(tids, func(tid int) bool { return known[tid] || p.zombies[tid] })
	fresh = len(tids)
	for len(tids) > 0 {
		p.standing = false
		seized, err := ptrace.SeizeAll(tids, p.all())
		for _, t := range seized {
			p.threads = append(p.threads, &frozenThread{Thread: t})
		}
		var refused *ptrace.SeizeError
		if err == nil {
			break
		} else if !errors.As(err, &refused) || refused.Reason != ptrace.Zombie {
			return 0, err
		}
		// A leader stays one as long as others run, and a process until its
		// parent has taken note.
		p.zombies[refused.Tid] = true
		tids = tids[slices.Index(tids, refused.Tid)+1:]
	}
	slices.SortFunc(p.threads, func(a, b *frozenThread) int {
		return cmp.Or(-cmp.Compare(lead(a, p.pid), lead(b, p.pid)), cmp.Compare(a.Tid(), b.Tid()))
	})
	return fresh, nil
}

// lead is 1 for the leader, whose id need not be the lowest.
func lead(t *frozenThread, pid int) int {
	if t.Tid() == pid {
		return 1
	}
	return 0
}

func (p *frozen) all() []*ptrace.Thread {
	var all []*ptrace.Thread
	for _, t := range p.threads {
		all = append(all, t.Thread)
	}
	return all
}

func (f *frozenTree) all() []*ptrace.Thread {
	var all []*ptrace.Thread
	for _, p := range f.processes {
		all = append(all, p.all()...)
	}
	return all
}

// openMemory opens the memory of every process. Not before it stands: a running
// process may execute another program.
func (f *frozenTree) openMemory(pfs proc.FS) (err error) {
	for _, p := range f.processes {
		if len(p.threads) == 0 {
			continue
		}
		// A leader that has ended has no memory.
		if p.mem, err = os.OpenFile(pfs.Process(p.threads[0].Tid()).Path("mem"), os.O_RDWR, 0); err != nil {
			return err
		}
	}
	return nil
}

// alive gives an error if the process has been killed.
func (p *frozen) alive() error {
	if len(p.threads) == 0 {
		return nil
	}
	_, err := p.threads[0].Regs()
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

// release lets the processes go on. It may be called again.
func (f *frozenTree) release() error {
	if f.freed {
		return nil
	}
	f.freed = true
	// All registers before the first thread runs: it may take a signal, or send
	// one.
	var errs []error
	for _, p := range f.processes {
		errs = append(errs, p.ready())
	}
	for _, p := range f.processes {
		for _, t := range p.threads {
			// One that does not stand is let go by the kernel when our OS thread
			// ends.
			if t.Stopped() {
				errs = append(errs, t.Detach())
			}
		}
		if p.mem != nil {
			_ = p.mem.Close() // nothing is buffered
		}
	}
	return errors.Join(errs...)
}

// ready gives threads the registers to go on with.
func (p *frozen) ready() error {
	var errs []error
	for _, t := range p.threads {
		if t.resume != nil && t.Stopped() {
			errs = append(errs, t.SetRegs(*t.resume))
		}
	}
	return errors.Join(errs...)
}

// end lets the processes stop or die as soon as they are released.
func (f *frozenTree) end(then Then) error {
	sig := syscall.SIGSTOP
	if then == ThenKill {
		sig = syscall.SIGKILL
	}
	for i, p := range f.processes {
		// Of those that have been killed meanwhile only the first is missed.
		if err := syscall.Kill(p.pid, sig); err != nil && (i == 0 || !errors.Is(err, syscall.ESRCH)) {
			return fmt.Errorf("%s process %d: %w", then, p.pid, err)
		}
	}
	// One that is dying does not stop for a farewell.
	if err := f.release(); err != nil && then != ThenKill {
		return err
	}
	return nil
}
