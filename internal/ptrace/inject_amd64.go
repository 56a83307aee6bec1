package ptrace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// Memory is the target's memory by address: /proc/PID/mem, open for both.
type Memory interface {
	io.ReaderAt
	io.WriterAt
}

// Options say how to inject. Mem and Gadgets are needed.
type Options struct {
	Mem     Memory
	Gadgets Gadgets
	Stack   Range         // the area [stack], if every thread of the target is stopped; else zero
	Shared  Range         // one of those that Share gave, for all threads but the one that shares
	Stale   bool          // the target has a mapping that IsScratch
	Ignored uint64        // signals that the process takes no notice of: bit n-1 for signal n
	Handler Handler       // see RestartRegs; only for the cure
	Timeout time.Duration // for each call; 0 means 10 seconds
}

// Injector executes system calls in a stopped thread.
//
// The engine can be killed at any instant, and then the kernel lets the target
// run on from the registers it has. So each call is executed by a syscall
// instruction of the target's own code that is followed by ret, on a prepared
// stack that makes ret return into rt_sigreturn over a signal frame with the
// thread's true registers, mask and extended state: whoever dies, the target
// finishes the call and cures itself. Frame and scratch memory lie below the
// red zone of the main thread's stack, and the bytes are put back by Close.
//
// The order of the steps keeps every moment curable: the frame is written
// before the registers point to it; signals are blocked after that, and
// unblocked before the registers are put back.
//
// Of many threads, one injects first and shares a mapping with the others, which
// need memory that nobody else writes to: should the engine die, the main thread
// goes on using its stack while another one still has to cure itself.
//
// There are two exceptions, both the shortest that can be. Where there is no
// room on the main thread's stack, a mapping is made by one bare call, and
// unmapped by another; a target whose engine is killed within those
// microseconds goes astray. (One whose engine is killed later keeps the mapping;
// see IsScratch.) And where SelfCuring reports false, because the code has no suitable
// gadget or the thread has a shadow stack, all calls are bare.
//
// Calls must not sleep in ways that use the kernel's restart block (nanosleep,
// poll, futex with a timeout): the one of the call that the thread was stopped
// in is still needed.
//
// Precondition: no seccomp filter is active in the thread, or SuspendSeccomp
// has switched it off.
type Injector struct {
	t     *Thread
	o     Options
	cures bool

	orig   abi.Regs // with which the target goes on
	mask   uint64
	base   abi.Regs // of injected calls, and between them
	layout layout
	saved  []byte // bytes of the stack from layout.twinSP on
	mapped Range  // the mapping instead of the stack
	shared Range  // the mapping beside the stack

	quiet                 syscall.Signal // that the thread takes no notice of; 0: there is none
	masked, moved, closed bool

	child    int       // thread that the last call made
	stops    int       // of the present call
	deadline time.Time // for its end
}

// allBlocked is the mask during injection. The kernel leaves SIGKILL and
// SIGSTOP out of it.
const allBlocked = ^uint64(0)

const (
	flagTrap      = 1 << 8
	flagDirection = 1 << 10
	userCS        = 0x33 // 64-bit code (arch/x86/include/asm/segment.h)
)

// Inject prepares the stopped thread t for system calls. Whatever happens, the
// caller has only to call Close, and after an error not even that.
func Inject(t *Thread, o Options) (*Injector, error) {
	if o.Gadgets.Syscall == 0 {
		return nil, fmt.Errorf("inject into thread %d: %w", t.tid, ErrNoGadget)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	in := &Injector{t: t, o: o, cures: o.Gadgets.Cures() && !t.ShadowStack()}
	if err := in.open(); err != nil {
		return nil, fmt.Errorf("inject into thread %d: %w", t.tid, errors.Join(err, in.Close()))
	}
	return in, nil
}

// open brings the thread into the state between two calls.
func (in *Injector) open() (err error) {
	t, mem := in.t, in.o.Mem
	in.closed = true // nothing to undo yet
	if in.orig, err = t.Regs(); err != nil {
		return err
	}
	if in.orig.Cs != userCS {
		return fmt.Errorf("it runs 32-bit code: %w", syscall.ENOTSUP)
	}
	rseq, err := t.Rseq()
	if err != nil {
		return err
	}
	if in.orig.Rip, err = RseqRip(mem, rseq, in.orig.Rip); err != nil {
		return err
	}
	if in.mask, err = t.SigMask(); err != nil {
		return err
	}
	in.quiet = quietSignal(in.o.Ignored &^ in.mask)
	xstate, err := t.XState()
	if err != nil {
		return err
	}
	if in.o.Shared.Start != 0 {
		if in.layout = layoutBelow(in.o.Shared.End, len(xstate), in.o.Gadgets); in.layout.twinSP < in.o.Shared.Start {
			return errTooLarge
		}
	} else if in.layout, in.saved, err = place(mem, in.o.Stack, in.orig.Rsp, len(xstate), in.o.Gadgets); err != nil {
		return err
	}
	in.base = in.orig
	in.base.OrigRax = ^uint64(0) // no restart of what the thread was stopped in
	in.base.Eflags &^= flagTrap | flagDirection
	in.base.Rip = in.o.Gadgets.Syscall
	in.closed = false

	if in.o.Shared.Start == 0 && in.saved == nil {
		if err := in.mapScratch(len(xstate)); err != nil {
			return fmt.Errorf("scratch memory: %w", err)
		}
	} else if in.o.Stale {
		in.shared = scratchRange
	}
	if in.cures {
		cure, ok := ImageRegs(mem, in.orig, in.o.Handler)
		if !ok {
			// Better EINTR than another call than the one it was in.
			cure, _ = RestartRegs(in.orig, InterruptHandler)
		}
		if RestOfSleep(in.orig, cure) {
			// The time is worth more here than the register.
			request, remainder := cure.Sleep()
			*request = remainder
		}
		if err := in.write(in.layout.twinSP, in.layout.frames(cure, xstate, in.mask, in.o.Gadgets)); err != nil {
			return err
		}
		in.base.Rsp = in.layout.sp
		in.base.Rip = in.o.Gadgets.SyscallRet
		// Until the first call the thread stands at the ret, as after a call.
		parked := in.base
		parked.Rip += syscallInsnSize
		in.moved = true
		if err := t.SetRegs(parked); err != nil {
			return err
		}
	}
	return in.block()
}

// block blocks all signals.
func (in *Injector) block() error {
	if in.masked {
		return nil
	}
	in.masked = true
	return in.t.SetSigMask(allBlocked)
}

// Close puts everything back as it was: the mask, the registers, and the
// scratch memory. It may be called more than once.
func (in *Injector) Close() error {
	if in.closed {
		return nil
	}
	in.closed = true
	var errs []error
	if !in.t.stopped {
		errs = append(errs, in.catch())
	}
	errs = append(errs, in.unmapScratch())
	if in.masked {
		errs = append(errs, in.t.SetSigMask(in.mask))
	}
	if in.moved {
		errs = append(errs, in.t.SetRegs(in.orig))
	}
	if in.saved != nil {
		errs = append(errs, in.write(in.layout.twinSP, in.saved))
	}
	if in.t.gone != nil {
		return in.t.gone
	}
	return errors.Join(errs...)
}

// catch stops a thread whose call did not return in time.
func (in *Injector) catch() error {
	if err := in.t.request(sys.PtraceInterrupt(in.t.tid)); err != nil {
		return err
	}
	_, err := in.t.wait(time.Now().Add(in.o.Timeout))
	return err
}

// SelfCuring reports whether the target survives the death of the engine
// while calls are injected.
func (in *Injector) SelfCuring() bool { return in.cures }

// Scratch gives the address and the size in bytes, at least 1024, of memory of
// the target that injected calls may read and write. It begins as whatever was
// there.
func (in *Injector) Scratch() (addr uint64, size int) { return in.layout.scratch, scratchSize }

// Used is the memory below the stack pointer that is used as long as the injector
// is open. A twin made meanwhile has something else there than the process.
func (in *Injector) Used() Range {
	return Range{in.layout.twinSP, in.layout.twinSP + uint64(len(in.saved))}
}

// WriteScratch writes b into the scratch memory at offset off.
func (in *Injector) WriteScratch(off int, b []byte) error {
	if err := checkScratch(off, len(b)); err != nil {
		return err
	}
	return in.write(in.layout.scratch+uint64(off), b)
}

// ReadScratch fills b from the scratch memory at offset off.
func (in *Injector) ReadScratch(off int, b []byte) error {
	if err := checkScratch(off, len(b)); err != nil {
		return err
	}
	if _, err := in.o.Mem.ReadAt(b, int64(in.layout.scratch)+int64(off)); err != nil {
		return fmt.Errorf("scratch memory of thread %d: %w", in.t.tid, err)
	}
	return nil
}

func checkScratch(off, n int) error {
	if off < 0 || n > scratchSize || off > scratchSize-n {
		return fmt.Errorf("%d bytes at %d of %d bytes of scratch memory: %w", n, off, scratchSize, syscall.ERANGE)
	}
	return nil
}

func (in *Injector) write(at uint64, b []byte) error {
	_, err := in.o.Mem.WriteAt(b, int64(at))
	afterRequest()
	if err != nil {
		return fmt.Errorf("memory of thread %d at %#x: %w", in.t.tid, at, err)
	}
	return nil
}

func putWord(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }
