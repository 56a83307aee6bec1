package plan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"ckpt/internal/abi"
)

// Leftover is what stays mapped of a block after Leave: the code and behind it
// the header, and whatever the plan kept.
type Leftover struct {
	base   uint64
	kept   uint64
	sleeps []Sleep
	taken  []bool // of the stubs: SeeThrough has taken the thread out
}

// ErrNoLeftover is the error of FindLeftover for any other memory.
var ErrNoLeftover = errors.New("no block that parked itself there")

// FindLeftover looks at the memory at base. Precondition: there are CodeSize
// bytes and one page that can be read.
func FindLeftover(mem io.ReaderAt, base uint64) (*Leftover, error) {
	b := make([]byte, headerOff+pageSize)
	if _, err := mem.ReadAt(b, int64(base)); err != nil {
		return nil, fmt.Errorf("read %#x: %w", base, err)
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	if u64(hdrMagic) != magicVersion || u64(hdrPark) != base {
		return nil, ErrNoLeftover
	}
	l := &Leftover{base: base, kept: u64(hdrKept), sleeps: parseSleeps(b)}
	l.taken = make([]bool, len(l.sleeps))
	return l, nil
}

// Size is the number of bytes that a block leaves which has come to its end.
func (l *Leftover) Size() uint64 { return l.kept }

// SeeThrough gives a thread in one of the block's stubs the registers that it
// would have without the stub: those before the program's own sleep, of which
// only the rest is left, or behind it (rest false). ok is false for a thread that
// is anywhere else.
func (l *Leftover) SeeThrough(r abi.Regs) (regs abi.Regs, rest, ok bool) {
	at := r.Rip - l.base - sleepOff
	if i := at / sleepStride; i < uint64(len(l.sleeps)) {
		if regs, rest, ok = l.sleeps[i].undo(r, at%sleepStride); ok {
			l.taken[i] = true
			return regs, rest, true
		}
	}
	return r, false, false
}

// Used reports whether a signal handler may return to the block. Precondition:
// all threads that are in the block were seen through. altStacks are the ends of
// the threads' alternate signal stacks.
func (l *Leftover) Used(mem io.ReaderAt, altStacks []uint64) bool {
	for i := range l.sleeps {
		// A stub is entered once: a thread that is in it is in no handler.
		if !l.taken[i] && l.stubUsed(mem, i, altStacks) {
			return true
		}
	}
	return false
}

// stubUsed is Used for one stub.
func (l *Leftover) stubUsed(mem io.ReaderAt, i int, altStacks []uint64) bool {
	var word [8]byte
	if _, err := mem.ReadAt(word[:], int64(l.base+l.sleeps[i].Awake)); err != nil {
		return true
	}
	awake := binary.LittleEndian.Uint64(word[:])
	switch awake {
	case 0:
		return true
	case NobodySleeps:
		return false
	}
	// A handler may even have come right before the last instruction. Its
	// frame begins where the kernel puts it (arch/x86/kernel/signal.c,
	// get_sigframe): below the stack pointer of that moment, or at the top of
	// the alternate stack.
	last := l.base + sleepOff + uint64(i)*sleepStride + sleepJump
	for _, end := range altStacks {
		if holds(mem, end, last) {
			return true
		}
	}
	return holds(mem, awake, last)
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
