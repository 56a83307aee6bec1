package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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
	b.Leave("leave", Landing{Keep: 0x5000})
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
		fmt.Sprintf("munmap[%x %x 0 0 0 0]", m.Slots[Base]+0x5000, p.Size()-0x5000),
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
		{"leaving", func(b *Builder) { b.Leave("leave", Landing{Keep: 0x5000}) }, 1<<64 - 22, "leave: invalid argument"},
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

// TestRunWalkers: walkers have slots of their own, that begin as a copy, and
// wait for each other by words in memory.
func TestRunWalkers(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	s, id := b.Slot(), b.Slot()
	ready, gone := b.Reserve(8), b.Reserve(8)
	b.Call("open", abi.SysOpen).Store(s)
	first, step := b.Spawn("first", abi.SysClone, Imm(1))
	step.Store(id).Want(Imm(7))
	second, _ := b.Spawn("second", abi.SysClone, Imm(2))
	b.Await("all are there", ready, Imm(2))
	b.Add("go", ready, Imm(8)).Want(Imm(10))
	b.Await("all are gone", gone, Imm(2))
	b.Call("check the slot", abi.SysClose, Arg{s, 0})
	b.Leave("leave", Landing{})
	for _, w := range []*Builder{first, second} {
		w.Call("use the slot", abi.SysGetpid, Arg{s, 0}, Arg{id, 0}).Store(s)
		w.Add("ready", ready, Imm(1)).Store(s)
		w.Await("wait", ready, Imm(10))
		w.Depart("depart", Landing{}, gone)
	}
	m := fakeMachine(new([]string))
	var mu sync.Mutex
	var calls []string
	m.Call = func(nr uint32, args [6]uint64) uint64 {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, fmt.Sprintf("%s%x", abi.SyscallName(nr), args[:2]))
		return 5
	}
	m.Spawn = func(_ uint32, _ [6]uint64, walk func()) uint64 {
		go walk()
		return 7
	}
	if err := Run(mustBuild(t, b), m); err != nil {
		t.Fatal(err)
	}
	slices.Sort(calls)
	if want := []string{"close[5 0]", "getpid[5 0]", "getpid[5 7]", "open[0 0]"}; !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
}

// TestRunWalkerFails: the failure of one walker ends all.
func TestRunWalkerFails(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	never := b.Reserve(8)
	w, _ := b.Spawn("start", abi.SysClone)
	b.Await("wait", never, Imm(1))
	exit(b)
	w.Call("open x", abi.SysOpen)
	w.Call("end", abi.SysExit)
	var calls []string
	m := fakeMachine(&calls, ^uint64(1))
	m.Spawn = func(_ uint32, _ [6]uint64, walk func()) uint64 {
		go walk()
		return 7
	}
	if err := Run(mustBuild(t, b), m); err == nil || err.Error() != "open x: no such file or directory" {
		t.Errorf("got %v", err)
	}
	if len(calls) != 1 {
		t.Errorf("calls %q", calls)
	}
	// Without anything that could start one, or if that fails.
	m = fakeMachine(&calls)
	if err := Run(mustBuild(t, b), m); !errors.Is(err, errNoSpawn) {
		t.Errorf("got %v", err)
	}
	m = fakeMachine(&calls)
	m.Spawn = func(uint32, [6]uint64, func()) uint64 { return ^uint64(10) }
	if err := Run(mustBuild(t, b), m); err == nil || err.Error() != "start: resource temporarily unavailable" {
		t.Errorf("got %v", err)
	}
}

// TestSpawnAgain: an id that is still taken is asked for again.
func TestSpawnAgain(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	w, _ := b.Spawn("start", abi.SysClone)
	exit(w)
	exit(b)
	tries := 0
	m := fakeMachine(&[]string{})
	m.Spawn = func(_ uint32, _ [6]uint64, walk func()) uint64 {
		if tries++; tries < 3 {
			return ^uint64(syscall.EEXIST - 1)
		}
		walk()
		return 7
	}
	if err := Run(mustBuild(t, b), m); err != nil || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

func TestRunUntil(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	b.Call("ask", abi.SysTgkill).Until(Int(-3))
	exit(b)
	var calls []string
	if err := Run(mustBuild(t, b), fakeMachine(&calls, 0, 0, ^uint64(2))); err != nil || len(calls) != 4 {
		t.Errorf("%v, calls %q", err, calls)
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
