package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ckpt/internal/abi"
)

// fakeMemory is 256 bytes at address 0x10000.
type fakeMemory [256]byte

func (m *fakeMemory) at(b []byte, off int64) ([]byte, error) {
	off -= 0x10000
	if off < 0 || off > int64(len(m)) || int64(len(b)) > int64(len(m))-off {
		return nil, syscall.EFAULT
	}
	return m[off:][:len(b)], nil
}

func (m *fakeMemory) ReadAt(b []byte, off int64) (int, error) {
	from, err := m.at(b, off)
	return copy(b, from), err
}

func (m *fakeMemory) WriteAt(b []byte, off int64) (int, error) {
	to, err := m.at(b, off)
	return copy(to, b), err
}

// fakeMachine records the calls and answers with what results says, then 0.
func fakeMachine(calls *[]string, results ...uint64) *Machine {
	m := &Machine{Memory: new(fakeMemory)}
	m.Slots[Base], m.Slots[VDSO] = 0x10000-DataOffset, 0x7000
	m.Call = func(nr uint32, args [6]uint64) uint64 {
		*calls = append(*calls, fmt.Sprintf("%s%x", abi.SyscallName(nr), args))
		if len(results) == 0 {
			return 0
		}
		r := results[0]
		results = results[1:]
		return r
	}
	return m
}

func TestRun(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	s, did := b.Slot(), b.Slot()
	word := b.Reserve(8)
	b.Call("open", abi.SysOpen, b.CString("x"), Imm(2)).Store(s)
	b.Call("seek", abi.SysLseek, Arg{s, 1}, Arg{VDSO, ^uint64(0)}).Want(Arg{s, 2})
	b.Poke32If("poke", word, Imm(1<<32), Imm(77)).Store(did).Want(Imm(1))
	b.Poke32If("poke", word, Imm(76), Imm(78)).Want(Imm(0))
	b.Copy("copy", Arg{Base, word.Imm + 8}, word, Imm(4))
	b.Call("fail", abi.SysClose).MayFail()
	b.Leave("leave", Landing{Keep: 0x2000})
	p := mustBuild(t, b)

	var calls []string
	m := fakeMachine(&calls, 5, 7, ^uint64(8))
	if err := Run(p, m); err != nil {
		t.Fatal(err)
	}
	want := []string{
		fmt.Sprintf("open[%x 2 0 0 0 0]", 0x10000+8),
		"lseek[6 6fff 0 0 0 0]",
		"close[0 0 0 0 0 0]",
		fmt.Sprintf("munmap[%x %x 0 0 0 0]", m.Slots[Base]+0x2000, p.Size()-0x2000),
	}
	if !slices.Equal(calls, want) {
		t.Errorf("calls %q\nwant  %q", calls, want)
	}
	if got := m.Memory.(*fakeMemory)[:12]; string(got) != "M\x00\x00\x00\x00\x00\x00\x00M\x00\x00\x00" {
		t.Errorf("memory %q", got)
	}
	if m.Slots[s] != 5 || m.Slots[did] != 1 || m.Slots[Zero] != 0 {
		t.Errorf("slots %v", m.Slots)
	}
}

func TestRunStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		add    func(b *Builder)
		result uint64
		want   string
	}{
		{"error", func(b *Builder) { b.Call("open x", abi.SysOpen) }, ^uint64(1), "open x: no such file or directory"},
		{"largest error", func(b *Builder) { b.Call("open x", abi.SysOpen) }, 1<<64 - 4095, "open x: unexpected result 0xfffffffffffff001"},
		{"wrong value", func(b *Builder) { b.Call("open x", abi.SysOpen).Want(Imm(3)) }, 4, "open x: unexpected result 0x4"},
		{"wrong error", func(b *Builder) { b.Call("open x", abi.SysOpen).Want(Imm(3)) }, ^uint64(0), "open x: operation not permitted"},
		{"leaving", func(b *Builder) { b.Leave("leave", Landing{Keep: 0x2000}) }, 1<<64 - 22, "leave: invalid argument"},
	} {
		b := NewBuilder()
		c.add(b)
		if c.name != "leaving" {
			b.Call("never", abi.SysExitGroup)
		}
		var calls []string
		err := Run(mustBuild(t, b), fakeMachine(&calls, c.result))
		var step *StepError
		if !errors.As(err, &step) || err.Error() != c.want || step.Result != c.result || len(calls) != 1 {
			t.Errorf("%s: %v after %q, want %s", c.name, err, calls, c.want)
		}
	}
}

func TestRunAcceptsWhatIsNoError(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	b.Call("large", abi.SysMmap)
	exit(b)
	var calls []string
	if err := Run(mustBuild(t, b), fakeMachine(&calls, 1<<64-4096)); err != nil {
		t.Error(err)
	}
}

func TestRunBadMemory(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	b.Copy("copy", Imm(8), Imm(0x10000), Imm(1))
	exit(b)
	var calls []string
	err := Run(mustBuild(t, b), fakeMachine(&calls))
	if !errors.Is(err, syscall.EFAULT) || !strings.HasPrefix(err.Error(), "copy: ") {
		t.Errorf("got %v", err)
	}
}
