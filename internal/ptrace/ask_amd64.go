package ptrace

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// Query is a system call of three arguments at most, or of four of which the last
// is 8, the size of a signal set. It can not sleep, and writes its answer to
// memory.
type Query struct {
	Nr   uint64
	Args [3]uint64
	To   uint64 // where its result is to be stored, errors as negative numbers; 0: nowhere
}

// A chain is a list of return addresses on the stack: each leads to a piece of
// the target's own code that takes a register from the stack, or makes a call,
// and goes on with the next. Behind the last one is the way to the cure, so that
// a target whose engine is killed finishes the chain and cures itself.
//
// No stop is at the system calls themselves. What ends the chain is a signal that
// the thread takes no notice of: we send it while it is blocked, and the last
// call unblocks it, which a tracer is told of before the signal is found to be
// ignored. Should the engine die before, the kernel drops it.
type chain struct {
	g     *Gadgets
	words []uint64
	rdx   uint64
}

// chainRoom is the most bytes of a chain, with the signal set in front of it:
// enough for the actions of all signals.
const chainRoom = 6 << 10

// add adds a query, if the code has what that takes.
func (c *chain) add(q Query) bool {
	before := *c
	setRdx := func(v uint64) {
		if c.rdx != v {
			c.words, c.rdx = append(c.words, c.g.PopRdxRet, v), v
		}
	}
	c.words = append(c.words, c.g.PopRdiRet, q.Args[0], c.g.PopRsiRet, q.Args[1])
	setRdx(q.Args[2])
	c.words = append(c.words, c.g.PopRaxRet, q.Nr, c.g.SyscallRet)
	if q.To != 0 {
		setRdx(q.To)
		c.words = append(c.words, c.g.StoreRet)
	}
	if c.rdx != before.rdx && !c.g.store() {
		*c = before
		return false
	}
	return true
}

// unblock is the call that ends a chain; at is where the set of signals stands.
func (c *chain) unblock(at uint64) {
	const how = 1 // SIG_UNBLOCK
	c.add(Query{Nr: abi.SysRtSigprocmask, Args: [3]uint64{how, at}})
}

// chainEnd is the most words of what unblock adds, and the set.
const chainEnd = 10

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

// Ask executes queries in several threads at the same time, queries for each. A
// query that fails leaves its memory as it was. With one stop for all queries of a
// thread it takes a fraction of the time of Calls, where the target's code has what
// that needs and the thread ignores a signal.
func Ask(ins []*Injector, queries func(*Injector) []Query) error {
	left := make([][]Query, len(ins))
	for i, in := range ins {
		left[i] = queries(in)
	}
	for more := true; more; {
		more = false
		var chained []*Injector
		for i, in := range ins {
			if len(left[i]) == 0 {
				continue
			}
			more = true
			n, err := in.chain(left[i])
			if err != nil {
				return err
			}
			if n > 0 {
				left[i], chained = left[i][n:], append(chained, in)
				continue
			}
			if err := in.query(left[i][0]); err != nil {
				return err
			}
			left[i] = left[i][1:]
		}
		for _, in := range chained {
			if err := in.awaitChain(); err != nil {
				return err
			}
		}
	}
	return nil
}

// query executes a single one.
func (in *Injector) query(q Query) error {
	v, err := in.Call(q.Nr, q.Args[0], q.Args[1], q.Args[2], 8)
	var failed syscall.Errno
	if errors.As(err, &failed) {
		v = -uint64(failed)
	} else if err != nil {
		return err
	}
	if q.To == 0 {
		return nil
	}
	b := make([]byte, 8)
	putWord(b, v)
	return in.write(q.To, b)
}

// chain lets the thread begin with as many of the queries as can be chained.
func (in *Injector) chain(list []Query) (n int, err error) {
	if in.quiet == 0 || !in.cures || !in.o.Gadgets.Chain() {
		return 0, nil
	}
	c := chain{g: &in.o.Gadgets}
	for n < len(list) && 8*(len(c.words)+chainEnd) < chainRoom && c.add(list[n]) {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	// The set of signals stands in front of the chain, whose length does not depend on
	// where that is.
	whole := c
	whole.unblock(0)
	begin := in.layout.sp - 8*uint64(len(whole.words))
	c.unblock(begin - 8)
	b := make([]byte, 8+8*len(c.words))
	putWord(b, 1<<(in.quiet-1))
	for i, w := range c.words {
		putWord(b[8+8*i:], w)
	}
	if err := in.write(begin-8, b); err != nil {
		return 0, err
	}
	r := in.base
	r.Rsp, r.Rip = begin, in.o.Gadgets.SyscallRet+syscallInsnSize // at the ret
	r.Rdx, r.R10 = 0, 8
	r.R8, r.R9 = 0, 0
	in.moved = true
	if err := in.t.SetRegs(r); err != nil {
		return 0, err
	}
	if err := in.t.request(sys.Tkill(in.t.tid, in.quiet)); err != nil {
		return 0, fmt.Errorf("signal thread %d: %w", in.t.tid, err)
	}
	in.deadline = time.Now().Add(in.o.Timeout)
	return n, in.t.resume(sys.PtraceCont, 0)
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
