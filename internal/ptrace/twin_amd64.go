package ptrace

import (
	"errors"
	"fmt"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// Twin makes the thread clone its process: a copy of its memory, with one
// thread, that stands stopped and seized by us. The flags are those of
// clone(2), exit signal included; memory must not be shared (no CLONE_VM).
//
// A twin never runs on as a second copy of the program: its stack leads into
// exit_group, and it is killed when its tracer dies (ExitKill). It can be
// injected into by an Injector of its own.
func (in *Injector) Twin(flags uint64) (*Thread, error) {
	if !in.cures {
		return nil, errors.New("twin: the target's code lacks the instructions to make it safely")
	}
	t := in.t
	// The events tell the twin's id in our own pid namespace, where the result
	// of the call is one of the target's.
	const events = abi.PtraceOTraceFork | abi.PtraceOTraceVfork | abi.PtraceOTraceClone
	if err := t.request(sys.PtraceSetOptions(t.tid, t.options|events)); err != nil {
		return nil, err
	}
	in.child = 0
	_, err := in.Call(abi.SysClone, flags, in.layout.twinSP, 0, 0, 0)
	rerr := t.request(sys.PtraceSetOptions(t.tid, t.options))
	if err = errors.Join(err, rerr); err != nil {
		return nil, fmt.Errorf("twin of thread %d: %w", t.tid, err)
	}
	if in.child == 0 {
		return nil, fmt.Errorf("twin of thread %d: the kernel did not tell its id", t.tid)
	}
	twin := &Thread{tid: in.child, options: t.options}
	// Its first stop is the one that a seized thread's children begin with.
	if _, err := twin.wait(time.Now().Add(in.o.Timeout)); err != nil {
		return nil, fmt.Errorf("twin of thread %d: %w", t.tid, err)
	}
	if err := twin.ExitKill(); err != nil {
		return nil, fmt.Errorf("twin of thread %d: %w", t.tid, err)
	}
	return twin, nil
}

// eventMessage reads what belongs to a PTRACE_EVENT: the id of a new thread.
func (t *Thread) eventMessage() (int, error) {
	n, err := sys.PtraceEventMessage(t.tid)
	return int(n), t.request(err)
}
