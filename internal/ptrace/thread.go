package ptrace

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// afterRequest is called after every step that changes the state of a target.
// Only the test that kills the engine at each of them sets it.
var afterRequest = func() {}

// Thread is one seized thread. Its methods are those of ptrace(2); unless said
// otherwise they need the thread stopped, and give an error that is ErrGone
// when it has died.
type Thread struct {
	tid     int
	options uint32
	stopped bool
	group   bool
	gone    *GoneError
	poll    time.Duration // longest sleep between two looks at it; 0 means lastSleep
	turn    *Turn
}

// Seize makes the calling OS thread the tracer of tid, which runs on. It is a
// *GoneError when there is no such thread, and a *SeizeError when the kernel
// does not allow it.
func Seize(tid int) (*Thread, error) {
	const options = abi.PtraceOTraceSysGood
	switch err := sys.PtraceSeize(tid, options); {
	case errors.Is(err, syscall.ESRCH):
		return nil, &GoneError{Tid: tid}
	case errors.Is(err, syscall.EPERM):
		return nil, explainSeize(tid, err)
	case err != nil:
		return nil, err
	}
	afterRequest()
	return &Thread{tid: tid, options: options}, nil
}

// Tid is the id of the thread as the caller's pid namespace sees it.
func (t *Thread) Tid() int { return t.tid }

// Stopped reports whether the thread is in a stop of ours.
func (t *Thread) Stopped() bool { return t.stopped }

// GroupStopped reports whether the process was stopped by SIGSTOP or the like
// when the thread last stopped. Detach leaves it so.
func (t *Thread) GroupStopped() bool { return t.group }

// Stop stops the thread wherever it is, without any effect that the program
// could notice, and waits for it at most the given time. It is a *TimeoutError
// when the thread sleeps uninterruptibly; it will then stop when it wakes up,
// and may be asked to stop again.
func (t *Thread) Stop(timeout time.Duration) error {
	if err := StopAll([]*Thread{t}, timeout); err != nil {
		return err
	}
	if t.gone != nil {
		return t.gone
	}
	return nil
}

// Detach ends the tracing; the thread runs on from its present registers, or
// stays stopped with its process if that is group-stopped. Detaching a thread
// that has died is no error.
func (t *Thread) Detach() error {
	if t.gone != nil {
		return nil
	}
	err := t.request(sys.PtraceDetach(t.tid, 0))
	t.stopped = false
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// SuspendSeccomp switches the thread's seccomp filters off for as long as it
// is traced, which injection needs: a filter could kill the target for a call
// that it would never make. The kernel allows it only to CAP_SYS_ADMIN of the
// initial user namespace outside any filter (EPERM), and only if built with
// CONFIG_CHECKPOINT_RESTORE (EINVAL); see ptrace(2).
func (t *Thread) SuspendSeccomp() error {
	options := t.options | abi.PtraceOSuspendSeccomp
	if err := t.request(sys.PtraceSetOptions(t.tid, options)); err != nil {
		return fmt.Errorf("suspend seccomp filters: %w", err)
	}
	t.options = options
	return nil
}

// ExitKill makes the kernel kill the thread's process when the tracer dies. It
// is for twins only, which nobody would miss; never for the user's processes.
func (t *Thread) ExitKill() error {
	options := t.options | abi.PtraceOExitKill
	if err := t.request(sys.PtraceSetOptions(t.tid, options)); err != nil {
		return err
	}
	t.options = options
	return nil
}

// resume lets the thread go on with signal sig by PTRACE_CONT or _SYSCALL.
func (t *Thread) resume(how func(int, syscall.Signal) error, sig syscall.Signal) error {
	t.stopped = false
	return t.request(how(t.tid, sig))
}

// request turns the result of a request into that of a method: ESRCH means
// that the thread was killed, or that it is not stopped.
func (t *Thread) request(err error) error {
	afterRequest()
	if t.gone != nil {
		return t.gone
	}
	if !errors.Is(err, syscall.ESRCH) {
		return err
	}
	// The killed thread may need a moment to become one that can be waited for.
	if _, werr := t.wait(time.Now().Add(50 * time.Millisecond)); errors.Is(werr, ErrGone) {
		return werr
	}
	return err
}
