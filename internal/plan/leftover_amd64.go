package plan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"ckpt/internal/abi"
)

// Leftover is what stays mapped of a block after Leave: the code page and
// behind it the header, and whatever the plan kept.
type Leftover struct {
	base  uint64
	sleep *Sleep // nil: the plan had none
	awake uint64 // hdrAwake
}

// ErrNoLeftover is the error of FindLeftover for any other memory.
var ErrNoLeftover = errors.New("no block that parked itself there")

// FindLeftover looks at the two pages of memory at base. Precondition: they can
// be read.
func FindLeftover(mem io.ReaderAt, base uint64) (*Leftover, error) {
	b := make([]byte, headerOff+pageSize)
	if _, err := mem.ReadAt(b, int64(base)); err != nil {
		return nil, fmt.Errorf("read %#x: %w", base, err)
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	if u64(hdrMagic) != magicVersion || u64(hdrPark) != base {
		return nil, ErrNoLeftover
	}
	return &Leftover{base: base, sleep: parseSleep(b), awake: u64(hdrAwake)}, nil
}

// SeeThrough gives a thread in the block's stub the registers that it would
// have without the stub: those before the program's own sleep, of which only
// the rest is left, or behind it (rest false). ok is false for a thread that is
// anywhere else.
func (l *Leftover) SeeThrough(r abi.Regs) (regs abi.Regs, rest, ok bool) {
	if l.sleep == nil {
		return r, false, false
	}
	return l.sleep.undo(r, r.Rip-l.base-sleepOff)
}

// Used reports whether a signal handler may return to the block. Precondition:
// the thread that the plan left to is not in the block. altStack is the end of
// the thread's alternate signal stack, 0 if it has none.
func (l *Leftover) Used(mem io.ReaderAt, altStack uint64) bool {
	if l.sleep == nil {
		return false
	}
	if l.awake == 0 {
		return true
	}
	// A handler may even have come right before the last instruction. Its
	// frame begins where the kernel puts it (arch/x86/kernel/signal.c,
	// get_sigframe): below the stack pointer of that moment, or at the top of
	// the alternate stack.
	last := l.base + sleepOff + sleepJump
	return holds(mem, l.awake, last) || holds(mem, altStack, last)
}

// frameSize is more than any signal frame takes.
const frameSize = 64 << 10

// holds reports whether word is in the memory below end, as far as there is
// any and a signal frame reaches.
func holds(mem io.ReaderAt, end, word uint64) bool {
	page := make([]byte, pageSize)
	for at := (end - frameSize) &^ (pageSize - 1); at < end; at += pageSize {
		n, _ := mem.ReadAt(page, int64(at))
		for i := 0; i+8 <= n; i += 8 {
			if binary.LittleEndian.Uint64(page[i:]) == word {
				return true
			}
		}
	}
	return false
}
