package cli

import (
	"bytes"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// letGo ends our parent, the middle child. The program's signal handler waits for that
// one, or will be told of its end: it need not wait for the disk.
//
// Orphans become children of the next child subreaper above them, or of process
// 1. A program that is one of these would find in us a child that it does not
// know: its handler waits for all of the save.
func letGo(middle *proc.Stat, p *image.Process) {
	if os.Getppid() != middle.Pid || middle.ExitSignal == 0 && (p.PID == 1 || p.Attributes.Subreaper) {
		return
	}
	if middle.ExitSignal != 0 {
		maker := makerOf(middle, p)
		tell(middle, p, maker)
		awaitGoneOn(p, maker)
	}
	// From now on what the terminal does to the program (Ctrl-C, Ctrl-Z, going
	// away) is not about us: whoever sees the program run has its image. A session
	// of our own would do as well, but it is a scheduling group of its own
	// (sched(7), autogroup), which got no processor for a minute beside some that
	// were busy.
	if err := syscall.Setpgid(0, 0); err != nil {
		return
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGTTOU)
	_ = syscall.Kill(middle.Pid, syscall.SIGKILL) // if that fails, the program is told when all of the save is done
}

// makerOf is the index of the thread that has made the middle child.
func makerOf(middle *proc.Stat, p *image.Process) int {
	if len(p.Threads) == 1 {
		return 0
	}
	i := slices.IndexFunc(p.Threads, func(t image.Thread) bool {
		children, _ := proc.Host().Thread(p.PID, t.TID).Children() // a kernel that does not tell, or it has ended
		return slices.Contains(children, middle.Pid)
	})
	return max(i, 0)
}

// tell has the restored program be told of the end of the middle child, as the one that
// runs on will be. A signal of this kind that it has to get anyway does as well.
func tell(middle *proc.Stat, p *image.Process, maker int) {
	info := abi.ChildKilled(middle.ExitSignal, middle.Pid, os.Getuid())
	pending := &p.Signals.Pending
	// It is the maker's, but only the first thread can send itself what the kernel alone
	// sends to others (rt_sigqueueinfo(2)).
	if t := &p.Threads[maker]; maker == 0 && !t.Dead && t.SigMask>>(middle.ExitSignal-1)&1 == 0 {
		pending = &t.Pending
	}
	if !slices.ContainsFunc(*pending, func(p []byte) bool { return bytes.HasPrefix(p, info[:4]) }) {
		*pending = append(*pending, info[:])
	}
}

// awaitGoneOn waits until the thread has gone on since it was let go, as far as that can
// be seen. The kernel tells it then of the end of its child, and else any other thread,
// whose call would be interrupted (complete_signal in kernel/signal.c).
func awaitGoneOn(p *image.Process, maker int) {
	if len(p.Threads) == 1 {
		return
	}
	thread := proc.Host().Thread(p.PID, p.Threads[maker].TID)
	for end := time.Now().Add(goneOnLimit); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		if st, err := thread.Stat(); err != nil || st.State != 'R' && st.State != 't' {
			return // it waits for something
		}
	}
}

// goneOnLimit is how long that is waited for: a thread that computes waits for nothing.
const goneOnLimit = 20 * time.Millisecond
