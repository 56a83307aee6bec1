package ptrace

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"ckpt/internal/abi"
)

// memoryAt is memory of one piece.
type memoryAt struct {
	base uint64
	b    []byte
}

func (m memoryAt) ReadAt(p []byte, off int64) (int, error) {
	at := uint64(off) - m.base
	if at >= uint64(len(m.b)) {
		return 0, io.EOF
	}
	return bytes.NewReader(m.b).ReadAt(p, int64(at))
}

func TestInterruptedCall(t *testing.T) {
	t.Parallel()
	const base, data = 0x1000, 0x1100
	mem := memoryAt{base, make([]byte, 0x200)}
	load := func(nr uint32) {
		mem.b[16] = movEAX
		binary.LittleEndian.PutUint32(mem.b[17:], nr)
		copy(mem.b[21:], []byte{0x0f, 0x05})
	}
	binary.LittleEndian.PutUint32(mem.b[data-base:], 7)
	at := abi.Regs{OrigRax: abi.SysRestartSyscall, Rip: base + 23, Rax: ^uint64(515)}
	with := func(f func(*abi.Regs)) abi.Regs { r := at; f(&r); return r }
	for _, c := range []struct {
		name string
		load uint32 // in the code before the instruction; 0: nothing
		regs abi.Regs
		want uint64
		ok   bool
	}{
		{"not restarted", 0, with(func(r *abi.Regs) { r.OrigRax = abi.SysPoll }), abi.SysPoll, true},
		{"poll in the code", abi.SysPoll, at, abi.SysPoll, true},
		{"futex in the code", abi.SysFutex, at, abi.SysFutex, true},
		{"a call that is never restarted so", abi.SysRead, with(func(r *abi.Regs) { r.Rdi = 3; r.Rsi = data }), 0, false},
		{"clock_nanosleep", 0, with(func(r *abi.Regs) { r.Rdi = 1; r.Rdx = data }), abi.SysClockNanosleep, true},
		{"clock_nanosleep on CLOCK_REALTIME", 0, with(func(r *abi.Regs) { r.Rdx = data }), abi.SysClockNanosleep, true},
		{"nanosleep", 0, with(func(r *abi.Regs) { r.Rdi, r.Rsi = data, data+16 }), abi.SysNanosleep, true},
		{"poll of nothing", 0, with(func(r *abi.Regs) { r.Rdx = 500 }), abi.SysPoll, true},
		{"futex", 0, with(func(r *abi.Regs) { r.Rdi, r.Rsi, r.Rdx, r.R10 = data, 128, 7, data+8 }), abi.SysFutex, true},
		{"futex or poll", 0, with(func(r *abi.Regs) { r.Rdi, r.Rsi, r.Rdx, r.R10 = data, 128, 8, data+8 }), 0, false},
	} {
		clear(mem.b[:32])
		if c.load != 0 {
			load(c.load)
		}
		if got, ok := InterruptedCall(mem, c.regs); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %d %v, want %d %v", c.name, got, ok, c.want, c.ok)
		}
	}
	load(abi.SysPoll)
	image, ok := ImageRegs(mem, at, NoHandler)
	if !ok || image.Rax != abi.SysPoll || image.Rip != base+21 {
		t.Errorf("interrupted again: %v rax %d rip %#x", ok, image.Rax, image.Rip)
	}
	about := with(func(r *abi.Regs) { r.Rax, r.OrigRax, r.Rip = abi.SysRestartSyscall, abi.SysPoll, base+21 })
	if image, ok := ImageRegs(mem, about, NoHandler); !ok || image.Rax != abi.SysPoll || image.Rip != base+21 {
		t.Errorf("about to go on: %v rax %d rip %#x", ok, image.Rax, image.Rip)
	}
}
