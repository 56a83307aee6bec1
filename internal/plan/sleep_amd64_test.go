package plan

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/arch/x86/x86asm"

	"ckpt/internal/abi"
)

const sleepPark = 0x100000000000

var (
	nanosleep = abi.Regs{Rax: abi.SysNanosleep, Rdi: 0x1010, Rsi: 0x2020, Rdx: 3, R10: 4, Rcx: 5, Rip: 0x401000, Rsp: 0x7ffd0000ff00}
	clockNano = abi.Regs{Rax: abi.SysClockNanosleep, Rdi: 1, Rdx: 0x1010, R10: 0x2020, Rcx: 5, Rip: 0x401000, Rsp: 0x7ffd0000ff00}
)

// asleep is the block of a plan that leaves to the rest of the sleep r, and the
// registers at its landing.
func asleep(t testing.TB, r abi.Regs) (block []byte, landing abi.Regs) {
	t.Helper()
	b := NewBuilder()
	landing, _ = b.SleepOn(r, sleepPark)
	b.Leave("leave", Landing{PC: Sigreturn()})
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if block, err = Encode(p, Options{Park: sleepPark, ErrFD: 2}); err != nil {
		t.Fatal(err)
	}
	return block, landing
}

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

// memories is memory of several pieces.
type memories []memoryAt

func (m memories) ReadAt(p []byte, off int64) (int, error) {
	for _, piece := range m {
		if n, err := piece.ReadAt(p, off); n > 0 {
			return n, err
		}
	}
	return 0, io.EOF
}

func TestSleepCode(t *testing.T) {
	t.Parallel()
	if len(code()) > sleepOff || sleepSize > sleepStride {
		t.Fatal("the stub is not in a place of its own")
	}
	for _, c := range []struct {
		regs abi.Regs
		want []string // in Intel's order
	}{
		{nanosleep, []string{"MOV EAX, 0x23", "SYSCALL", "MOV RDI, 0x1010", "MOV RCX, 0x401002", "MOV [RIP+0x38de], RSP", "JMP RCX"}},
		{clockNano, []string{"MOV EAX, 0xe6", "SYSCALL", "MOV RDX, 0x1010", "MOV RCX, 0x401002", "MOV [RIP+0x38de], RSP", "JMP RCX"}},
	} {
		block, landing := asleep(t, c.regs)
		if want := uint64(sleepPark + sleepOff); landing.Rip != want {
			t.Errorf("lands at %#x, not %#x", landing.Rip, want)
		}
		at := sleepOff
		for _, want := range c.want {
			inst, err := x86asm.Decode(block[at:], 64)
			if err != nil || inst.String() != want {
				t.Errorf("%v (%v), want %s", inst, err, want)
			}
			at += inst.Len
			if mem, ok := inst.Args[0].(x86asm.Mem); ok && int64(at)+mem.Disp != DataOffset {
				t.Errorf("%v stores at %#x of the block, not %#x", inst, int64(at)+mem.Disp, DataOffset)
			}
		}
		if at != sleepOff+sleepSize {
			t.Errorf("%d bytes", at-sleepOff)
		}
	}
}

// TestSleepInPlace: with one timespec for request and remainder there is
// nothing to put back.
func TestSleepInPlace(t *testing.T) {
	t.Parallel()
	r := nanosleep
	r.Rsi = r.Rdi
	block, landing := asleep(t, r)
	if landing != r || parseSleeps(block) != nil {
		t.Errorf("landing %+v, stub %+v", landing, parseSleeps(block))
	}
}

// TestSeeThrough takes a thread out of every instruction of the stub.
func TestSeeThrough(t *testing.T) {
	t.Parallel()
	for _, orig := range []abi.Regs{nanosleep, clockNano} {
		block, landing := asleep(t, orig)
		l, err := FindLeftover(memoryAt{sleepPark, block}, sleepPark)
		if err != nil {
			t.Fatal(err)
		}
		behind := landing
		behind.Rax, behind.Rcx = 0, landing.Rip+sleepRequest
		after := orig
		after.Rip, after.Rax, after.Rcx = orig.Rip+2, 0, orig.Rip+2
		found := 0
		for at := range uint64(sleepSize + 4) {
			from, want := behind, after
			if at < sleepRequest {
				from, want = landing, orig
			}
			from.Rip = sleepPark + sleepOff + at
			got, rest, ok := l.SeeThrough(from)
			if !ok {
				want = from
			} else {
				found++
			}
			if diff := cmp.Diff(want, got); diff != "" || ok && rest != (at < sleepRequest) {
				t.Errorf("at %d: rest %t, %s", at, rest, diff)
			}
		}
		if found != 6 {
			t.Errorf("%d instructions of 6", found)
		}
		for _, rip := range []uint64{orig.Rip, sleepPark, sleepPark + sleepOff - 1, sleepPark + sigreturnOffset()} {
			if _, _, ok := l.SeeThrough(abi.Regs{Rip: rip}); ok {
				t.Errorf("sees through at %#x", rip)
			}
		}
	}
}

func TestLeftoverUsed(t *testing.T) {
	t.Parallel()
	const stack, altStack = 0x7ffd00000000, 0x7eee00000000
	const jump = sleepPark + sleepOff + sleepJump
	block, _ := asleep(t, nanosleep)
	none, _ := asleep(t, clockNano)
	clear(none[sleepOff:headerOff])
	for _, c := range []struct {
		name  string
		block []byte
		awake uint64
		word  uint64 // on the stack
		alt   uint64 // end of the alternate stack
		want  bool
	}{
		{"no stub", none, 0, jump, 0, false},
		{"not ended", block, 0, 0, 0, true},
		{"another process's", block, NobodySleeps, jump, 0, false},
		{"ended", block, stack + 0x3000, jump - 1, 0, false},
		{"handler before the jump", block, stack + 0x3000, jump, 0, true},
		{"above the stack pointer", block, stack + 0x1000, jump, 0, false},
		{"on another stack", block, altStack, jump, 0, false},
		{"on the alternate stack", block, altStack, jump, stack + 0x2800, true},
	} {
		block := bytes.Clone(c.block)
		binary.LittleEndian.PutUint64(block[DataOffset:], c.awake)
		l, err := FindLeftover(memoryAt{sleepPark, block}, sleepPark)
		if err != nil {
			t.Fatal(err)
		}
		mem := make([]byte, 0x3000)
		binary.LittleEndian.PutUint64(mem[0x2008:], c.word)
		if got := l.Used(memories{{stack, mem}, {sleepPark, block}}, []uint64{c.alt}); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestFindLeftover(t *testing.T) {
	t.Parallel()
	block, _ := asleep(t, nanosleep)
	for _, base := range []uint64{sleepPark + pageSize, 0x1000} {
		if _, err := FindLeftover(memoryAt{base, block}, base); err == nil {
			t.Errorf("found at %#x, where it was not parked", base)
		}
	}
	if _, err := FindLeftover(memoryAt{sleepPark, block[:pageSize]}, sleepPark); err == nil {
		t.Error("found without its header")
	}
	block[hdrMagic]++
	if _, err := FindLeftover(memoryAt{sleepPark, block}, sleepPark); err == nil {
		t.Error("found without its magic number")
	}
}

// TestManySleeps: each thread has a stub of its own, as long as there is room.
func TestManySleeps(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	var landings []abi.Regs
	var awake []uint64
	for i := range uint64(maxSleeps + 1) {
		r := nanosleep
		r.Rdi, r.Rip = 0x5000+i, 0x401000+8*i
		landing, word := b.SleepOn(r, sleepPark)
		landings, awake = append(landings, landing), append(awake, word.Imm)
	}
	b.Leave("leave", Landing{PC: Sigreturn()})
	block, err := Encode(mustBuild(t, b), Options{Park: sleepPark, ErrFD: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range awake[:maxSleeps] {
		binary.LittleEndian.PutUint64(block[at:], 0) // all are in this process
	}
	l, err := FindLeftover(memoryAt{sleepPark, block}, sleepPark)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range landings[:maxSleeps] {
		if i == 7 {
			continue
		}
		if got, rest, ok := l.SeeThrough(r); !ok || !rest || got.Rdi != 0x5000+uint64(i) || got.Rip != 0x401000+8*uint64(i) {
			t.Fatalf("thread %d: %+v, rest %t, %t", i, got, rest, ok)
		}
	}
	if !l.Used(memoryAt{sleepPark, block}, nil) {
		t.Error("one thread is in a handler, but nothing is in use")
	}
	if _, _, ok := l.SeeThrough(landings[7]); !ok || l.Used(memoryAt{sleepPark, block}, nil) {
		t.Error("it is in use by nobody")
	}
	if last := landings[maxSleeps]; last.Rip != 0x401000+8*maxSleeps || last.Rdi != last.Rsi {
		t.Errorf("the last one: %+v", last)
	}
}
