package ptrace

import (
	"errors"
	"fmt"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// maxXState bounds the extended state. The largest today, with AMX tiles, is
// under 12 KiB.
const maxXState = 1 << 20

// Regs reads the general purpose registers.
func (t *Thread) Regs() (abi.Regs, error) {
	r, err := sys.PtraceRegs(t.tid)
	return r, t.request(err)
}

// SetRegs writes the general purpose registers. OrigRax decides whether the
// kernel restarts the system call that Rax shows as interrupted: -1 for never.
func (t *Thread) SetRegs(r abi.Regs) error {
	return t.request(sys.PtraceSetRegs(t.tid, &r))
}

// XState reads the extended state, NT_X86_XSTATE in the size that the kernel
// gives it, or the 512 bytes of NT_PRFPREG on a processor without XSAVE.
func (t *Thread) XState() ([]byte, error) {
	for size := 4096; size <= maxXState; size *= 2 {
		b := make([]byte, size)
		n, err := sys.PtraceRegSet(t.tid, abi.NTX86XState, b)
		if errors.Is(err, syscall.ENODEV) {
			n, err = sys.PtraceRegSet(t.tid, abi.NTPrFPReg, b)
		}
		if err = t.request(err); err != nil {
			return nil, err
		}
		if n < size {
			return b[:n], nil
		}
	}
	return nil, fmt.Errorf("extended state of thread %d is over %d bytes", t.tid, maxXState)
}

// SetXState writes what XState gave.
func (t *Thread) SetXState(b []byte) error {
	note := uint32(abi.NTX86XState)
	if len(b) == 512 {
		note = abi.NTPrFPReg
	}
	return t.request(sys.PtraceSetRegSet(t.tid, note, b))
}

// ShadowStack reports whether the thread runs with a user shadow stack, under
// which every ret is checked against a second stack (CET; kernel 6.6).
func (t *Thread) ShadowStack() bool {
	var ssp [8]byte
	_, err := sys.PtraceRegSet(t.tid, abi.NTX86Shstk, ssp[:])
	return err == nil
}
