package abi

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestSignalFrame(t *testing.T) {
	t.Parallel()
	r := Regs{R8: 8, R15: 15, Rdi: 21, Rax: 22, Rcx: 23, Rsp: 24, Rip: 25, Eflags: 26, Cs: 0x33, Ss: 0x2b}
	note := make([]byte, 832)
	binary.LittleEndian.PutUint64(note[464:], 7) // XCR0
	binary.LittleEndian.PutUint64(note[512:], 7) // XSTATE_BV
	note[0], note[831] = 0x7f, 0x99
	for _, at := range []uint64{0x7000_0008, 0x7000_0010, 0x7000_0000} {
		b := SignalFrame(r, note, 0xabcd, KeepAltStack, at, 0x4711)
		u64 := func(off uint64) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
		u32 := func(off uint64) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
		fp := u64(8+40+184) - at
		for _, c := range []struct {
			name      string
			got, want uint64
		}{
			{"pretcode", u64(0), 0x4711},
			{"uc_flags", u64(8), 7},
			{"uc_stack.ss_flags", u64(32), 4},
			{"r8", u64(48), 8},
			{"r15", u64(48 + 7*8), 15},
			{"rdi", u64(48 + 8*8), 21},
			{"rax", u64(48 + 13*8), 22},
			{"rcx", u64(48 + 14*8), 23},
			{"rsp", u64(48 + 15*8), 24},
			{"rip", u64(48 + 16*8), 25},
			{"eflags", u64(48 + 17*8), 26},
			{"cs and ss", u64(48 + 18*8), 0x2b<<48 | 0x33},
			{"mask", u64(8 + 296), 0xabcd},
			{"alignment", (at + fp) % 64, 0},
			{"room for siginfo", min(fp, 440), 440},
			{"magic1", uint64(u32(fp + 464)), 0x46505853},
			{"extended size", uint64(u32(fp + 468)), 836},
			{"xfeatures", u64(fp + 472), 7},
			{"xstate size", uint64(u32(fp + 480)), 832},
			{"magic2", uint64(u32(fp + 832)), 0x46505845},
			{"length", uint64(len(b)), fp + 836},
			{"first byte", uint64(b[fp]), 0x7f},
			{"last byte", uint64(b[fp+831]), 0x99},
		} {
			if c.got != c.want {
				t.Errorf("at %#x: %s is %#x, want %#x", at, c.name, c.got, c.want)
			}
		}
		if n := SignalFrameSize(len(note)); len(b) > n {
			t.Errorf("%d bytes, more than the bound %d", len(b), n)
		}
	}
}

// TestSignalFrameStates gives extended states of other sizes.
func TestSignalFrameStates(t *testing.T) {
	t.Parallel()
	const at = 0x7000_0008
	flags := func(b []byte) uint64 { return binary.LittleEndian.Uint64(b[8:]) }

	if b := SignalFrame(Regs{}, nil, 0, StackT{}, at, 0); len(b) != 440 || flags(b) != 6 {
		t.Errorf("no state: %d bytes, flags %d", len(b), flags(b))
	}
	legacy := bytes.Repeat([]byte{0xff}, 512)
	b := SignalFrame(Regs{}, legacy, 0, StackT{}, at, 0)
	if len(b) != 440+512 || flags(b) != 6 {
		t.Errorf("legacy state: %d bytes, flags %d", len(b), flags(b))
	}
	if binary.LittleEndian.Uint32(b[440+464:]) != 0 {
		t.Error("legacy state: something stands where the magic would")
	}

	// AMX tiles that are not in use are left out.
	amx := make([]byte, 2816+8192)
	binary.LittleEndian.PutUint64(amx[464:], 0x60007)
	binary.LittleEndian.PutUint64(amx[512:], 7)
	if b := SignalFrame(Regs{}, amx, 0, StackT{}, at, 0); len(b) != 440+2816+4 {
		t.Errorf("without tiles in use: %d bytes", len(b))
	}
	binary.LittleEndian.PutUint64(amx[512:], 0x60007)
	if b := SignalFrame(Regs{}, amx, 0, StackT{}, at, 0); len(b) != 440+2816+8192+4 {
		t.Errorf("with tiles in use: %d bytes", len(b))
	}
}
