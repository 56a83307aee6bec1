package abi

import "encoding/binary"

// Layout of struct rt_sigframe (arch/x86/include/asm/sigframe.h) with its
// struct ucontext and struct sigcontext_64 (uapi/asm/sigcontext.h).
const (
	frameUcFlags    = 8
	frameUcStack    = 24
	frameContext    = 48
	frameFPState    = frameContext + 184
	frameMask       = 8 + 296
	frameSize       = 8 + 304 + SiginfoSize
	ucFPXState      = 1
	ucSigcontextSS  = 2
	ucStrictSS      = 4
	fpAlign         = 64
	fxsaveSize      = 512
	xsaveHeader     = 512 // XSTATE_BV, right behind the legacy area
	xsaveMin        = 576
	swReserved      = 464 // of the legacy area: XCR0 in a note, magic in a frame
	fpXStateMagic1  = 0x46505853
	fpXStateMagic2  = 0x46505845
	xfeatureTile    = 1 << 18
	xfeatureTileLen = 8192
)

// SignalFrameRdi is the offset of rdi in a signal frame.
const SignalFrameRdi = frameContext + 8*8

// KeepAltStack, given to SignalFrame, makes rt_sigreturn leave the alternate
// signal stack alone: its flags are ones that do_sigaltstack refuses, and
// restore_altstack ignores every error but EFAULT (kernel/signal.c).
var KeepAltStack = StackT{Flags: 4}

// SignalFrameSP is the stack pointer with which rt_sigreturn has to be called
// to return through the frame at address at.
func SignalFrameSP(at uint64) uint64 { return at + 8 }

// SignalFrameSize is an upper bound of the bytes that SignalFrame gives for an
// extended state of n bytes, wherever the frame stands.
func SignalFrameSize(n int) int { return frameSize + fpAlign + n + 4 }

// SignalFrame builds the frame that the kernel's rt_sigreturn takes all
// registers, the signal mask, the alternate stack and the floating point state
// from. The frame stands at address at and begins with restorer, the return
// address for whoever gets there by a ret instruction; rt_sigreturn itself
// does not look at it.
//
// The xstate is as PTRACE_GETREGSET gives it for NT_X86_XSTATE, or the 512
// bytes of NT_PRFPREG, or empty for the initial state. Its place in the frame
// is aligned to 64 bytes, as XRSTOR demands; an address with at%64 == 8 wastes
// nothing. FsBase, GsBase and OrigRax are not in a frame: the bases stay as
// they are and OrigRax becomes -1, so that the kernel restarts no system call.
func SignalFrame(r Regs, xstate []byte, mask uint64, alt StackT, at, restorer uint64) []byte {
	fp := (at + frameSize + fpAlign - 1) &^ (fpAlign - 1)
	fpstate := frameXState(xstate)
	b := make([]byte, int(fp-at)+len(fpstate))
	put := func(off int, v uint64) { binary.LittleEndian.PutUint64(b[off:], v) }

	put(0, restorer)
	flags := uint64(ucSigcontextSS | ucStrictSS)
	if len(fpstate) > fxsaveSize {
		flags |= ucFPXState
	}
	put(frameUcFlags, flags)
	put(frameUcStack, alt.SP)
	put(frameUcStack+8, uint64(uint32(alt.Flags)))
	put(frameUcStack+16, alt.Size)
	for i, v := range [...]uint64{
		r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15,
		r.Rdi, r.Rsi, r.Rbp, r.Rbx, r.Rdx, r.Rax, r.Rcx, r.Rsp, r.Rip, r.Eflags,
	} {
		put(frameContext+8*i, v)
	}
	for i, v := range [...]uint64{r.Cs, r.Gs, r.Fs, r.Ss} {
		binary.LittleEndian.PutUint16(b[frameContext+144+2*i:], uint16(v))
	}
	if len(fpstate) > 0 {
		put(frameFPState, fp)
		copy(b[fp-at:], fpstate)
	}
	put(frameMask, mask)
	return b
}

// frameXState gives the fpstate of a frame: the bytes of the note with the
// software-reserved words that tell the kernel that more than the legacy area
// follows (check_xstate_in_sigframe in arch/x86/kernel/fpu/signal.c).
func frameXState(note []byte) []byte {
	if len(note) < fxsaveSize {
		return nil
	}
	if len(note) < xsaveMin {
		b := append([]byte(nil), note[:fxsaveSize]...)
		clear(b[swReserved:])
		return b
	}
	features := binary.LittleEndian.Uint64(note[swReserved:])
	inUse := binary.LittleEndian.Uint64(note[xsaveHeader:])
	// The note always has room for the AMX tiles, the last component. A task
	// that may not use them has a smaller frame, and the kernel takes a frame
	// that is too large as one without any extended state.
	if features&xfeatureTile != 0 && inUse&xfeatureTile == 0 && len(note) >= xsaveMin+xfeatureTileLen {
		note = note[:len(note)-xfeatureTileLen]
		features &^= xfeatureTile
	}
	size := len(note)
	b := make([]byte, size+4)
	copy(b, note)
	clear(b[swReserved:fxsaveSize])
	binary.LittleEndian.PutUint32(b[swReserved:], fpXStateMagic1)
	binary.LittleEndian.PutUint32(b[swReserved+4:], uint32(size+4))
	binary.LittleEndian.PutUint64(b[swReserved+8:], features)
	binary.LittleEndian.PutUint32(b[swReserved+16:], uint32(size))
	binary.LittleEndian.PutUint32(b[size:], fpXStateMagic2)
	return b
}
