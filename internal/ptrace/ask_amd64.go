package ptrace

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// Query is a system call of at most two arguments that writes its answer to
// memory, and that can not sleep.
type Query struct{ Nr, Arg1, Arg2 uint64 }

// A chain is a list of return addresses on the stack: each leads to a piece of
// the target's own code that takes a register from the stack, or makes a call,
// and goes on with the next. Behind the last one is the way to the cure, so that
// a target whose engine is killed finishes the chain and cures itself.
//
// No stop is at the system calls themselves. What ends the chain is a signal that
// the thread takes no notice of: we send it while it is blocked, and the last
// call unblocks it, which a tracer is told of before the signal is found to be
// ignored. Should the engine die before, the kernel drops it.
const (
	queryWords = 7 // rdi, rsi, and rax with their pops, and the call
	chainMost  = 32
	chainRoom  = (chainMost+1)*queryWords*8 + 8
)

// quiet are signals whose default action is to do nothing (signal(7)), those
// first that hardly any program has a use for.
var quiet = [...]syscall.Signal{syscall.SIGURG, syscall.SIGWINCH, syscall.SIGCHLD}

// quietSignal chooses one of those that are ignored; 0 is none.
func quietSignal(ignored uint64) syscall.Signal {
	for _, s := range quiet {
		if ignored&(1<<(s-1)) != 0 {
			return s
		}
	}
	return 0
}

// Ask executes queries in several threads at the same time, queries for each.
// Results are not told: a query that fails leaves its memory as it was. With one
// stop for all queries of a thread it takes a fraction of the time of Calls, where
// the target's code has what that needs and the thread ignores a signal.
func Ask(ins []*Injector, queries func(*Injector) []Query) error {
	lists := make([][]Query, len(ins))
	most := 0
	for i, in := range ins {
		lists[i] = queries(in)
		most = max(most, len(lists[i]))
	}
	for from := 0; from < most; from += chainMost {
		var chained []*Injector
		for i, in := range ins {
			part := lists[i][min(from, len(lists[i])):min(from+chainMost, len(lists[i]))]
			if len(part) == 0 {
				continue
			}
			if in.quiet == 0 || !in.cures || !in.o.Gadgets.Chain() {
				if err := in.oneByOne(part); err != nil {
					return err
				}
				continue
			}
			if err := in.chain(part); err != nil {
				return err
			}
			chained = append(chained, in)
		}
		for _, in := range chained {
			if err := in.awaitChain(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (in *Injector) oneByOne(list []Query) error {
	for _, q := range list {
		var failed syscall.Errno
		if _, err := in.Call(q.Nr, q.Arg1, q.Arg2); err != nil && !errors.As(err, &failed) {
			return err
		}
	}
	return nil
}

// chain lets the thread begin with the queries.
func (in *Injector) chain(list []Query) error {
	g := &in.o.Gadgets
	words := []uint64{1 << (in.quiet - 1)} // the set to unblock
	begin := in.layout.sp - uint64(len(list)+1)*queryWords*8
	add := func(q Query) {
		words = append(words, g.PopRdiRet, q.Arg1, g.PopRsiRet, q.Arg2, g.PopRaxRet, q.Nr, g.SyscallRet)
	}
	for _, q := range list {
		add(q)
	}
	const unblock = 1 // SIG_UNBLOCK
	add(Query{abi.SysRtSigprocmask, unblock, begin - 8})
	b := make([]byte, 8*len(words))
	for i, w := range words {
		putWord(b[8*i:], w)
	}
	if err := in.write(begin-8, b); err != nil {
		return err
	}
	r := in.base
	r.Rsp, r.Rip = begin, g.SyscallRet+syscallInsnSize // at the ret
	r.Rdx, r.R10 = 0, 8                                // the rest of rt_sigprocmask's arguments, which no query has
	r.R8, r.R9 = 0, 0
	in.moved = true
	if err := in.t.SetRegs(r); err != nil {
		return err
	}
	if err := in.t.request(sys.Tkill(in.t.tid, in.quiet)); err != nil {
		return fmt.Errorf("signal thread %d: %w", in.t.tid, err)
	}
	in.deadline = time.Now().Add(in.o.Timeout)
	return in.t.resume(sys.PtraceCont, 0)
}

// awaitChain waits for the signal that ends the chain.
func (in *Injector) awaitChain() error {
	t := in.t
	for {
		s, err := t.wait(in.deadline)
		if err != nil {
			return err
		}
		sig := syscall.Signal(0)
		switch {
		case s.kind == stopSignal && s.signal == in.quiet:
			r, err := t.Regs()
			if err != nil {
				return err
			}
			if r.Rsp != in.layout.sp {
				return fmt.Errorf("queries in thread %d: stopped at %#x", t.tid, r.Rip)
			}
			return t.SetSigMask(allBlocked)
		case s.kind == stopSignal && s.signal == syscall.SIGSTOP:
			sig = s.signal // a group stop that lasts when the thread is detached
		case s.kind == stopSignal:
			return fmt.Errorf("queries in thread %d: signal %d (%v)", t.tid, int(s.signal), s.signal)
		}
		if err := t.resume(sys.PtraceCont, sig); err != nil {
			return err
		}
	}
}
