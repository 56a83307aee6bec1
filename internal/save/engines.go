package save

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// Two signals to two processes of a tree start two engines. What works for the
// other save is no part of the tree, and who comes second waits until the first
// has let the tree go.

// AgentCommand is the command with which libckpt.so starts an engine; its argument
// is the id of the process that got the signal.
const AgentCommand = "agent-save"

// busyPause is how long to wait before a tree is looked at again that another
// engine holds. It holds it for milliseconds.
const busyPause = 2 * time.Millisecond

// engine reports whether a process, or a thread, is one of ckpt.
func engine(pfs proc.FS, pid int) bool {
	theirs, err := os.Stat(pfs.Process(pid).Path("exe"))
	if err != nil {
		return false
	}
	ours, err := os.Stat("/proc/self/exe")
	return err == nil && os.SameFile(theirs, ours)
}

// workedFor is the process for which libckpt.so has started an engine, 0 if pid is
// none.
func (k *kin) workedFor(pid int) int {
	args, err := k.fs.Process(pid).Cmdline()
	if err != nil || len(args) != 3 || args[1] != AgentCommand || !engine(k.fs, pid) {
		return 0
	}
	program, err := strconv.Atoi(args[2])
	if err != nil {
		return 0
	}
	return program
}

// middle reports whether a relative with these children is the one between a
// program, its parent, and the engine that saves it.
func (k *kin) middle(r relative, children []int) bool {
	return len(children) == 1 && k.workedFor(children[0]) == r.parent
}

// refuseBusy is an error if another engine holds one of the processes.
func refuseBusy(subjects []*subject) error {
	i := slices.IndexFunc(subjects, func(s *subject) bool { return s.heldBy != 0 })
	if i < 0 {
		return nil
	}
	s := subjects[i]
	return &busyError{RefusedError{
		s.name(),
		[]Finding{{Object: "process", Reason: fmt.Sprintf("is being saved by another ckpt (%d)", s.heldBy), Advice: "try again later"}},
	}}
}

// busyError refuses a process only because another save is at it.
type busyError struct{ RefusedError }

func (e *busyError) Unwrap() error { return &e.RefusedError }

// busy reports whether a save failed because another one was at it.
func busy(err error) bool {
	var held *busyError
	var seize *ptrace.SeizeError
	return errors.As(err, &held) ||
		errors.As(err, &seize) && seize.Reason == ptrace.Traced && engine(proc.Host(), seize.Tracer)
}
