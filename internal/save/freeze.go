package save

import (
	"errors"
	"fmt"
	"os"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// frozen is a process that is stopped by us and will go on as if nothing had
// happened when it is released.
//
// Precondition of all its methods: the goroutine is locked to the OS thread
// that froze it.
type frozen struct {
	thread *ptrace.Thread
	mem    *os.File
	since  time.Time
	resume *abi.Regs // registers to go on with, if they are not the ones it has
	freed  bool

	mask    uint64 // signals that the thread blocks
	actions map[int]abi.SigAction
}

// freeze stops the process, or says why it can not.
func freeze(p proc.Process, timeout time.Duration) (*frozen, error) {
	t, err := ptrace.Seize(p.PID)
	if err != nil {
		return nil, endedMeanwhile(p.PID, err)
	}
	f := &frozen{thread: t, since: time.Now()}
	if err := t.Stop(timeout); err != nil {
		f.release()
		return nil, endedMeanwhile(p.PID, err)
	}
	// Not before: a running process may execute another program.
	if f.mem, err = os.OpenFile(p.Path("mem"), os.O_RDWR, 0); err != nil {
		f.release()
		return nil, gone(p.PID, err)
	}
	return f, nil
}

// alive gives an error if the process has been killed.
func (f *frozen) alive() error {
	_, err := f.thread.Regs()
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
	if f.resume != nil && f.thread.Stopped() && !f.interrupted() {
		if err := f.thread.SetRegs(*f.resume); err != nil {
			f.thread.Detach()
			return err
		}
	}
	return f.thread.Detach()
}

// interrupted reports whether a handler is about to run, for a signal that came
// while the process was frozen: then the EINTR that its call has got is the
// right one.
func (f *frozen) interrupted() bool {
	t := image.Thread{SigMask: f.mask}
	var shared [][]byte
	var err error
	if t.Pending, err = pending(f.thread, false); err != nil {
		return false // it is gone
	}
	if shared, err = pending(f.thread, true); err != nil {
		return false
	}
	return nextHandler(&t, shared, f.actions) != ptrace.NoHandler
}

// threadState collects what belongs to the one thread of the process. regs are
// its registers as it stopped.
func (f *frozen) threadState(s *subject, t *image.Thread, shared *[][]byte, actions map[int]abi.SigAction) error {
	t.TID = f.thread.Tid()
	regs, err := f.thread.Regs()
	if err != nil {
		return err
	}
	if t.XSave, err = f.thread.XState(); err != nil {
		return err
	}
	if t.SigMask, err = f.thread.SigMask(); err != nil {
		return err
	}
	if t.Pending, err = pending(f.thread, false); err != nil {
		return err
	}
	if *shared, err = pending(f.thread, true); err != nil {
		return err
	}
	if t.Rseq, err = f.thread.Rseq(); err != nil {
		return err
	}
	head, size, err := ptrace.RobustList(t.TID)
	if err != nil {
		return err
	}
	t.RobustList = image.RobustList{Head: image.Addr(head), Size: size}
	if t.Comm, err = s.proc.Comm(); err != nil {
		return err
	}

	f.mask, f.actions = t.SigMask, actions
	handler := nextHandler(t, *shared, actions)
	_, running := ptrace.RestartRegs(regs, handler)
	img, ok := ptrace.ImageRegs(f.mem, regs, handler)
	if !ok {
		s.refuse("process", "waits in a system call that was interrupted before, and the kernel does not tell which", "try again in a moment")
	}
	rip, err := ptrace.RseqRip(f.mem, t.Rseq, img.Rip)
	if err != nil {
		return err
	}
	if rip != img.Rip {
		// The injected calls cost the running thread its protection, too.
		img.Rip, running.Rip = rip, rip
	}
	t.Regs, t.RestOfSleep = img, ptrace.RestOfSleep(regs, img)
	if running != regs {
		f.resume = &running
	}
	return nil
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

// nextHandler says what handler will run as soon as the thread goes on.
func nextHandler(t *image.Thread, shared [][]byte, actions map[int]abi.SigAction) ptrace.Handler {
	for _, queue := range [][][]byte{t.Pending, shared} {
		for _, info := range queue {
			sig := int(info[0]) // si_signo, little endian, at most 64
			if sig < 1 || sig > abi.NSig || t.SigMask&(1<<(sig-1)) != 0 {
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
