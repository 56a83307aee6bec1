// Package ptrace works on running threads from outside: it seizes and stops
// them, reads and writes their registers, and makes them execute system calls.
//
// A thread is seized, stopped, looked at, perhaps injected into, and detached:
//
//	t, err := ptrace.Seize(tid)
//	err = t.Stop(time.Second)
//	in, err := ptrace.Inject(t, ptrace.Options{...})
//	v, err := in.Call(abi.SysGetpid)
//	err = in.Close()
//	err = t.Detach()
//
// The target belongs to the user and must survive whatever happens to us.
// PTRACE_O_EXITKILL is never set on it; when the tracer dies, the kernel
// detaches every thread and lets it run on from the registers it has at that
// instant. Injection therefore prepares the target so that running on is always
// right: see Injector.
//
// Precondition of everything here: the kernel knows the tracer as an OS thread,
// not as a process, so all calls for one target come from one goroutine that
// holds runtime.LockOSThread from before Seize until after Detach. There is no
// hop to a serving goroutine, because that costs a hundred times what a
// request costs.
package ptrace
