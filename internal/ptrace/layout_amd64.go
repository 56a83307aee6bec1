package ptrace

import (
	"bytes"
	"fmt"

	"ckpt/internal/abi"
)

// Range is a range of addresses; zero is none.
type Range struct{ Start, End uint64 }

// layout is where the injector's memory stands in the target:
//
//	end      +-------------------------------------+
//	         | scratch, for arguments and results  |
//	scratch  +-------------------------------------+
//	         | mark                                |
//	         | signal frame that cures the target  |
//	sp       +-------------------------------------+  stack of injected calls
//	         | calls that Ask chains               |
//	         | signal frame that reaps a child     |
//	reapSP   +-------------------------------------+  stack of the call that makes it
//	         | signal frame that ends a child      |
//	twinSP   +-------------------------------------+  stack of children and twins
//
// Each frame has in front of it what the ret behind the injected system call
// takes from the stack: the way to rt_sigreturn.
type layout struct {
	end, scratch uint64
	frame, sp    uint64
	reap, reapSP uint64
	twin, twinSP uint64
}

// mark is how a later injector knows the memory of one that died. Its length
// keeps what is below it aligned.
const mark = "ckpt injected here; this memory was not in use and may be used.\n"

const (
	scratchSize = 4096
	redZone     = 128 // below rsp, belongs to leaf functions (System V ABI)
	pageSize    = 4096
)

// layoutBelow puts everything below end, for an extended state of n bytes.
func layoutBelow(end uint64, n int, g Gadgets) layout {
	way := uint64(len(g.way())-1) * 8
	l := layout{end: end &^ 63}
	l.scratch = l.end - scratchSize
	l.frame = frameBelow(l.scratch-uint64(len(mark)), n)
	l.sp = l.frame - way
	l.reap = frameBelow(l.sp-chainRoom, 0)
	l.reapSP = l.reap - way
	l.twin = frameBelow(l.reapSP, 0)
	l.twinSP = l.twin - way
	return l
}

// frameBelow is the highest good address for a frame that ends below end.
func frameBelow(end uint64, n int) uint64 {
	return (end-uint64(abi.SignalFrameSize(n)))&^63 - 56
}

func (l layout) size() uint64 { return l.end - l.twinSP }

// way lists what ret has to find on the stack to get to rt_sigreturn. The last
// word is the first of the signal frame itself.
func (g Gadgets) way() []uint64 {
	if g.RestoreRT != 0 {
		return []uint64{g.RestoreRT}
	}
	return []uint64{g.PopRaxRet, abi.SysRtSigreturn, g.Syscall}
}

// place looks for memory of the target that nobody needs while it is stopped:
// on the main thread's stack, below what is in use. It does not look at other
// stacks, which may be followed by somebody's data (goroutines, coroutines,
// threads with small stacks). It gives no saved bytes where a mapping has to be
// made instead.
func place(mem Memory, stack Range, sp uint64, n int, g Gadgets) (l layout, saved []byte, err error) {
	if stack.Start == 0 || stack.End <= stack.Start {
		return l, nil, nil
	}
	if sp < stack.Start || stack.End <= sp {
		return placeUnused(mem, stack, n, g)
	}
	l = layoutBelow(sp-redZone, n, g)
	if l.twinSP < stack.Start || l.twinSP > sp {
		return layout{}, nil, nil
	}
	saved = make([]byte, l.size())
	if err := readStack(mem, saved, l.twinSP); err != nil {
		return layout{}, nil, err
	}
	return l, saved, nil
}

// The far end of the stack, for threads that run elsewhere.
const (
	farEnd   = 64 << 10 // where to look, from the lowest address on
	headroom = 16 << 10 // for signal handlers, should the engine die before they are blocked
)

// placeUnused finds room at the far end of the main thread's stack. That part
// was never in use if it is all zero, or if an injector died there: then its
// mark is still to be seen.
func placeUnused(mem Memory, stack Range, n int, g Gadgets) (l layout, saved []byte, err error) {
	if stack.End-stack.Start < farEnd {
		return layout{}, nil, nil
	}
	far := make([]byte, farEnd)
	if err := readStack(mem, far, stack.Start); err != nil {
		return layout{}, nil, err
	}
	size := layoutBelow(1<<32, n, g).size()
	if i := bytes.Index(far, []byte(mark)); i >= 0 {
		l = layoutBelow(stack.Start+uint64(i+len(mark))+scratchSize, n, g)
	} else {
		l = layoutBelow(stack.Start+headroom+size+64, n, g)
		if l.end <= stack.Start+farEnd && len(bytes.TrimLeft(far[:l.end-stack.Start], "\x00")) > 0 {
			return layout{}, nil, nil
		}
	}
	if l.twinSP < stack.Start || l.end > stack.Start+farEnd {
		return layout{}, nil, nil
	}
	// What is there is put back, a mark included: signal handlers may have run
	// below it when the other injector died.
	return l, far[l.twinSP-stack.Start : l.end-stack.Start], nil
}

func readStack(mem Memory, b []byte, at uint64) error {
	if _, err := mem.ReadAt(b, int64(at)); err != nil {
		return fmt.Errorf("stack of the target at %#x: %w", at, err)
	}
	return nil
}

// noChild stands for the id of a child that was not made. Pids are smaller
// (PID_MAX_LIMIT in include/linux/threads.h).
const noChild = 1<<31 - 1

// frames gives the bytes from twinSP up to scratch: the frames, the ways to
// them, and the mark.
func (l layout) frames(cure abi.Regs, xstate []byte, mask uint64, g Gadgets) []byte {
	b := make([]byte, l.scratch-l.twinSP)
	put := func(sp, at uint64, r abi.Regs, xstate []byte, mask uint64) {
		way := g.way()
		for i, w := range way[:len(way)-1] {
			putWord(b[sp-l.twinSP+uint64(8*i):], w)
		}
		copy(b[at-l.twinSP:], abi.SignalFrame(r, xstate, mask, abi.KeepAltStack, at, way[len(way)-1]))
	}
	put(l.sp, l.frame, cure, xstate, mask)

	// The kernel itself puts the child's id into the frame, before the child
	// exists (CLONE_PARENT_SETTID).
	const wall = 0x40000000 // __WALL: whatever its exit signal
	wait := cure
	wait.Rip, wait.Rax, wait.Rsp = g.SyscallRet, abi.SysWait4, l.sp
	wait.Rdi, wait.Rsi, wait.Rdx, wait.R10 = noChild, 0, wall, 0
	put(l.reapSP, l.reap, wait, nil, allBlocked)

	exit := cure
	exit.Rip, exit.Rax, exit.Rdi = g.Syscall, abi.SysExitGroup, 0
	exit.Rsp = l.twinSP
	put(l.twinSP, l.twin, exit, nil, allBlocked)
	copy(b[len(b)-len(mark):], mark)
	return b
}
