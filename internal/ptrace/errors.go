package ptrace

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrGone is what every *GoneError is: errors.Is(err, ErrGone).
var ErrGone = errors.New("thread is gone")

// GoneError says that a thread does not exist, or died while it was traced.
type GoneError struct {
	Tid    int
	Status syscall.WaitStatus // how it ended; 0 if that is not known
}

func (e *GoneError) Error() string {
	switch {
	case e.Status.Signaled():
		return fmt.Sprintf("thread %d is gone: killed by signal %d (%v)", e.Tid, int(e.Status.Signal()), e.Status.Signal())
	case e.Status != 0:
		return fmt.Sprintf("thread %d is gone: exited with status %d", e.Tid, e.Status.ExitStatus())
	}
	return fmt.Sprintf("thread %d is gone", e.Tid)
}

// Is makes every GoneError match ErrGone.
func (e *GoneError) Is(target error) bool { return target == ErrGone }

// Reason is why a thread cannot be seized.
type Reason int

// Reasons in the order in which they are looked for.
const (
	Unexplained  Reason = iota // a security module or a seccomp filter of our own
	Zombie                     // it has exited and waits for its parent
	KernelThread               // it has no program
	Traced                     // by the thread SeizeError.Tracer
	Self                       // a process cannot trace its own threads
	OtherUser                  // other ids or more capabilities than ours
	NotDumpable                // setuid, unreadable, or prctl(PR_SET_DUMPABLE, 0)
	Yama                       // /proc/sys/kernel/yama/ptrace_scope forbids it
)

// SeizeError says why the kernel does not let us trace a thread.
type SeizeError struct {
	Tid    int
	Reason Reason
	Tracer int    // for Traced: the thread that traces it already
	Detail string // for OtherUser and Yama: the ids, the ptrace_scope
	Err    error  // EPERM
}

func (e *SeizeError) Error() string {
	why := "not permitted: a security module or a filter forbids it"
	switch e.Reason {
	case Zombie:
		why = "it has exited and waits for its parent"
	case KernelThread:
		why = "it is a kernel thread"
	case Traced:
		why = fmt.Sprintf("process %d traces it already (a debugger or strace?)", e.Tracer)
	case Self:
		why = "a process cannot trace itself"
	case OtherUser:
		why = "it belongs to another user: " + e.Detail
	case NotDumpable:
		why = "it is not dumpable (setuid, or prctl PR_SET_DUMPABLE)"
	case Yama:
		why = "kernel.yama.ptrace_scope is " + e.Detail
	}
	return fmt.Sprintf("cannot trace %d: %s", e.Tid, why)
}

func (e *SeizeError) Unwrap() error { return e.Err }

// TimeoutError says that a thread did not stop in time.
type TimeoutError struct {
	Tid   int
	State string // letter of /proc/TID/stat; D: it waits for a device or a network file system
	Wchan string // kernel function it sleeps in, if that may be known
}

func newTimeoutError(tid int) *TimeoutError {
	return &TimeoutError{Tid: tid, State: readState(tid), Wchan: readWchan(tid)}
}

func (e *TimeoutError) Error() string {
	s := fmt.Sprintf("thread %d does not stop: state %s", e.Tid, e.State)
	if e.Wchan != "" {
		s += " in " + e.Wchan
	}
	return s
}

// Timeout makes the error one of those that net and os call a timeout.
func (e *TimeoutError) Timeout() bool { return true }
