package ptrace

import (
	"encoding/binary"
	"io"

	"ckpt/internal/abi"
)

// InterruptedCall tells which system call a thread was stopped in; ok is false
// if it can not be found out. r are its registers, of which OrigRax has the
// number, but for one case: a sleep, poll or futex wait that was interrupted
// once and went on since is, for the kernel, restart_syscall(2), which finds
// what it needs in the thread's restart block. A restored thread has none, so
// that the number has to be found again: in the code, where it is usually
// loaded right before the instruction, or by what the arguments can only mean.
func InterruptedCall(mem io.ReaderAt, r abi.Regs) (nr uint64, ok bool) {
	if r.OrigRax != abi.SysRestartSyscall {
		return r.OrigRax, true
	}
	var code [loadSize]byte
	if _, err := mem.ReadAt(code[:], int64(r.Rip-syscallInsnSize-loadSize)); err == nil && code[0] == movEAX {
		nr = uint64(binary.LittleEndian.Uint32(code[1:]))
		switch nr {
		case abi.SysNanosleep, abi.SysClockNanosleep, abi.SysPoll, abi.SysFutex:
			return nr, true
		}
	}
	return callByArguments(mem, r)
}

// mov $number,%eax
const (
	movEAX   = 0xb8
	loadSize = 5
)

// callByArguments tells the four calls with a restart block apart:
//
//	nanosleep(request, remainder)
//	clock_nanosleep(clock, 0, request, remainder)
//	poll(fds, count, timeout)
//	futex(word, FUTEX_WAIT..., value, timeout)
func callByArguments(mem io.ReaderAt, r abi.Regs) (nr uint64, ok bool) {
	pointer := func(addr uint64) bool {
		var b [1]byte
		_, err := mem.ReadAt(b[:], int64(addr))
		return addr != 0 && err == nil
	}
	const private, realtime, wait, waitBitset = 128, 256, 0, 9
	op := r.Rsi &^ (private | realtime)
	switch {
	case r.Rsi == 0 && pointer(r.Rdx) && !pointer(r.Rdi):
		return abi.SysClockNanosleep, true
	case r.Rsi == 0 && r.Rdi == 0:
		return abi.SysPoll, true
	case !pointer(r.Rdi):
		return 0, false
	case (op == wait || op == waitBitset) && pointer(r.R10) && wordAt(mem, r.Rdi) == uint32(r.Rdx):
		return abi.SysFutex, true
	case r.Rsi == 0 || pointer(r.Rsi):
		return abi.SysNanosleep, true
	}
	return 0, false
}

func wordAt(mem io.ReaderAt, addr uint64) uint32 {
	var b [4]byte
	if _, err := mem.ReadAt(b[:], int64(addr)); err != nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b[:])
}

// ImageRegs is the image part of RestartRegs for a thread whose memory can be
// read. ok is false if the call that it is in can not be found out; then the
// registers are of no use for an image.
func ImageRegs(mem io.ReaderAt, r abi.Regs, h Handler) (image abi.Regs, ok bool) {
	switch {
	case int64(r.Rax) == restartByBlock:
		if r.OrigRax, ok = InterruptedCall(mem, r); !ok {
			return r, false
		}
	case r.Rax == abi.SysRestartSyscall && atSyscall(mem, r.Rip):
		// The kernel had just decided to go on when the thread was stopped
		// again.
		inside := r
		inside.OrigRax, inside.Rip = r.Rax, r.Rip+syscallInsnSize
		if r.Rax, ok = InterruptedCall(mem, inside); !ok {
			return r, false
		}
	}
	image, _ = RestartRegs(r, h)
	return image, true
}

// atSyscall reports whether a thread is about to execute a system call.
func atSyscall(mem io.ReaderAt, rip uint64) bool {
	var insn [syscallInsnSize]byte
	_, err := mem.ReadAt(insn[:], int64(rip))
	return err == nil && insn == [...]byte{0x0f, 0x05}
}
