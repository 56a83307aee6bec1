package plan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"ckpt/internal/abi"
)

// Sleep is a stub in the block's code for a thread that is restored in the
// middle of a sleep. The sleep is to take only the time that was left, so its
// first argument must be changed; but the program may rely on it after the
// call, which changes rax, rcx and r11 only. The stub makes the call and puts
// the argument back:
//
//	mov $Call, %eax
//	syscall
//	mov $Request, %rdi or %rdx
//	mov $Return, %rcx		as syscall itself does
//	mov %rsp, Awake(%rip)
//	jmp *%rcx
//
// Each thread that sleeps has a stub of its own, and enters it only once, from
// the landing, so that afterwards nobody needs the block. But a signal handler
// may interrupt it and return to it later, from wherever its frame was taken
// meanwhile: only the word at Awake tells that it came to its end. See Leftover.
type Sleep struct {
	Call    uint32 // SysNanosleep or SysClockNanosleep
	Request uint64 // the program's own argument
	Return  uint64 // address behind the program's syscall instruction
	Awake   uint64 // offset in the block of the word for the last stack pointer, 0 before
}

// NobodySleeps is the word at Awake in a process that has the stub, but no thread
// in it. No stack pointer is so low.
const NobodySleeps = 1

// The parts of the stub, as offsets in it.
const (
	sleepCall    = 5  // syscall
	sleepRequest = 7  // all from here on is behind the call
	sleepReturn  = 17 // mov to rcx
	sleepAwake   = 27 // mov to hdrAwake
	sleepJump    = 34 // jmp
	sleepSize    = 36
	syscallSize  = 2
)

// requestMove is the beginning of a mov to the register of the argument.
var requestMove = map[uint32][]byte{
	abi.SysNanosleep:      {0x48, 0xbf}, // rdi
	abi.SysClockNanosleep: {0x48, 0xba}, // rdx
}

func (s *Sleep) validate() error {
	if requestMove[s.Call] == nil {
		return fmt.Errorf("system call %d is no sleep", s.Call)
	}
	if s.Awake < DataOffset || s.Awake > math.MaxInt32 {
		return fmt.Errorf("no word at %#x for the end of a sleep", s.Awake)
	}
	return nil
}

// code is the stub as it stands at offset at.
func (s *Sleep) code(at uint64) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte{0xb8}, s.Call)
	b = append(b, 0x0f, 0x05)
	b = le.AppendUint64(append(b, requestMove[s.Call]...), s.Request)
	b = le.AppendUint64(append(b, 0x48, 0xb9), s.Return)
	b = le.AppendUint32(append(b, 0x48, 0x89, 0x25), uint32(s.Awake-(at+sleepJump)))
	return append(b, 0xff, 0xe1)
}

// parseSleeps finds the stubs in a block's code.
func parseSleeps(code []byte) (all []Sleep) {
	for at := uint64(sleepOff); at+sleepStride <= headerOff; at += sleepStride {
		b := code[at:][:sleepSize]
		s := Sleep{
			Call:    binary.LittleEndian.Uint32(b[1:]),
			Request: binary.LittleEndian.Uint64(b[sleepRequest+2:]),
			Return:  binary.LittleEndian.Uint64(b[sleepReturn+2:]),
			Awake:   at + sleepJump + uint64(binary.LittleEndian.Uint32(b[sleepAwake+3:])),
		}
		if s.validate() != nil || !bytes.Equal(s.code(at), b) {
			break
		}
		all = append(all, s)
	}
	return all
}

// undo is the reverse of Builder.SleepOn, wherever in the stub a thread is. at
// is its rip as an offset in the stub. before reports whether it has the call,
// and so the rest of the sleep, still before it.
func (s *Sleep) undo(r abi.Regs, at uint64) (regs abi.Regs, before, ok bool) {
	switch at {
	case 0, sleepCall:
		before, r.Rax, r.Rip = true, uint64(s.Call), s.Return-syscallSize
	case sleepRequest, sleepReturn, sleepAwake, sleepJump:
		r.Rip, r.Rcx = s.Return, s.Return
	default:
		return r, false, false
	}
	if s.Call == abi.SysNanosleep {
		r.Rdi = s.Request
	} else {
		r.Rdx = s.Request
	}
	return r, before, true
}
