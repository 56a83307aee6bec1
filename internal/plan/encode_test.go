package plan

import (
	"errors"
	"strings"
	"testing"

	"ckpt/internal/abi"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func anyArg() *rapid.Generator[Arg] {
	return rapid.Custom(func(t *rapid.T) Arg {
		return Arg{Slot(rapid.IntRange(0, NumSlots-1).Draw(t, "slot")), rapid.Uint64().Draw(t, "imm")}
	})
}

// anyPlan is any valid plan.
func anyPlan() *rapid.Generator[*Plan] {
	anyOp := rapid.Custom(func(t *rapid.T) Op {
		op := Op{
			Code:  rapid.SampledFrom([]Code{Syscall, Copy, Poke32If, Await, Add}).Draw(t, "code"),
			Check: rapid.SampledFrom([]Check{Succeeds, Equals, Whatever}).Draw(t, "check"),
			Store: rapid.SampledFrom([]Slot{Zero, FirstFree, NumSlots - 1}).Draw(t, "store"),
			What:  rapid.SampledFrom([]string{"a", "a b", "ä", strings.Repeat("x", MaxWhat)}).Draw(t, "what"),
		}
		if op.Code == Syscall {
			op.Nr = rapid.Uint32().Draw(t, "nr")
			if rapid.Bool().Draw(t, "until") {
				op.Check = Until
			}
		}
		if op.wants() {
			op.Want = anyArg().Draw(t, "want")
		}
		for i := range op.Args {
			op.Args[i] = anyArg().Draw(t, "arg")
		}
		return op
	})
	return rapid.Custom(func(t *rapid.T) *Plan {
		p := &Plan{
			Ops:  rapid.SliceOfN(anyOp, 0, 20).Draw(t, "ops"),
			Data: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data"),
		}
		if rapid.Bool().Draw(t, "asleep") {
			p.Sleeps = []Sleep{{
				Call:    rapid.SampledFrom([]uint32{abi.SysNanosleep, abi.SysClockNanosleep}).Draw(t, "call"),
				Request: rapid.Uint64().Draw(t, "request"), Return: rapid.Uint64().Draw(t, "return"),
				Awake: DataOffset,
			}}
		}
		others := rapid.IntRange(0, 3).Draw(t, "others")
		for i := range others {
			p.Ops = append(p.Ops, Op{Code: Spawn, Nr: abi.SysClone, Walker: i + 1, What: "spawn"})
		}
		end := func(ends ...Op) { p.Ops = append(p.Ops, rapid.SampledFrom(ends).Draw(t, "end")) }
		end(Op{Code: Leave, What: "leave"}, Op{Code: Syscall, Nr: abi.SysExitGroup, What: "exit"})
		for range others {
			p.Others = append(p.Others, len(p.Ops))
			p.Ops = append(p.Ops, rapid.SliceOfN(anyOp, 0, 3).Draw(t, "ops")...)
			end(Op{Code: Depart, What: "depart"}, Op{Code: Syscall, Nr: abi.SysExit, What: "exit"})
		}
		return p
	})
}

func TestDecodeUndoesEncode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, o := anyPlan().Draw(t, "plan"), Options{Park: 0x7000, ErrFD: 2}
		block, err := Encode(p, o)
		if err != nil {
			t.Fatal(err)
		}
		if uint64(len(block)) != p.Size() || len(block)%pageSize != 0 {
			t.Fatalf("%d bytes, Size says %d", len(block), p.Size())
		}
		got, gotOptions, err := Decode(block)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got); diff != "" || gotOptions != o {
			t.Fatalf("options %+v, plan %s", gotOptions, diff)
		}
	})
}

// TestDecodeNoticesEveryByte flips one bit of every byte of a block.
func TestDecodeNoticesEveryByte(t *testing.T) {
	t.Parallel()
	block := sample(t)
	for i := range block {
		block[i] ^= 0x10
		if p, o, err := Decode(block); err == nil {
			// What it says is another plan, if it is a valid one.
			again, err := Encode(p, o)
			if err != nil || string(again) != string(block) {
				t.Errorf("byte %#x: accepted, but not what Encode writes", i)
			}
			if i < headerOff || i >= hdrMessage && i < DataOffset {
				t.Errorf("byte %#x: accepted", i)
			}
		} else if !errors.Is(err, ErrBlock) {
			t.Errorf("byte %#x: %v", i, err)
		}
		block[i] ^= 0x10
	}
}

func TestDecodeShort(t *testing.T) {
	t.Parallel()
	block := sample(t)
	for n := range len(block) {
		if _, _, err := Decode(block[:n]); !errors.Is(err, ErrBlock) {
			t.Fatalf("%d of %d bytes: %v", n, len(block), err)
		}
	}
	if _, _, err := Decode(append(block, make([]byte, pageSize)...)); !errors.Is(err, ErrBlock) {
		t.Errorf("one page more: %v", err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	good := &Plan{Ops: []Op{{Code: Leave, What: "leave"}}}
	for _, o := range []Options{{}, {Park: 4097}, {Park: 4096, ErrFD: -1}, {Park: 4096, ErrFD: 1 << 31}} {
		if _, err := Encode(good, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	awake := &Plan{Ops: good.Ops, Sleeps: []Sleep{{Call: abi.SysPoll, Awake: DataOffset}}}
	if _, err := Encode(awake, Options{Park: 4096}); err == nil {
		t.Error("no sleep: no error")
	}
	if _, err := Encode(&Plan{}, Options{Park: 4096}); err == nil {
		t.Error("empty plan: no error")
	}
}

// sample is the block of a small plan with a bit of everything.
func sample(t testing.TB) []byte {
	t.Helper()
	b := NewBuilder()
	s := b.Slot()
	b.Call("open", abi.SysOpen, b.CString("/dev/null"), Imm(2)).Store(s)
	b.Copy("copy", b.Reserve(8), b.Data([]byte("12345678")), Imm(8)).Want(Imm(0))
	b.Poke32If("poke", Arg{Base, DataOffset}, Imm(1), Arg{Slot: s}).MayFail()
	w, _ := b.Spawn("spawn", abi.SysClone, Imm(0x50f00))
	b.Await("wait", Arg{Base, DataOffset}, Imm(1))
	b.Leave("leave", Landing{PC: Imm(0x1000), Keep: 0x5000})
	w.Add("add", Arg{Base, DataOffset}, Imm(1))
	w.Depart("depart", Landing{PC: Imm(0x1000)}, Arg{Base, DataOffset})
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	block, err := Encode(p, Options{Park: 0x10000, ErrFD: 2})
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// FuzzDecode tries blocks with the right code: the fuzzer could do nothing but
// break it. Minimizing inputs of this size takes all its time, so run it with
// -fuzzminimizetime=10x.
func FuzzDecode(f *testing.F) {
	f.Add(sample(f)[headerOff:])
	f.Add(sample(f)[headerOff:DataOffset])
	f.Fuzz(func(t *testing.T, rest []byte) {
		block := append(sample(t)[:headerOff:headerOff], rest...)
		p, o, err := Decode(block)
		if err != nil {
			return
		}
		again, err := Encode(p, o)
		if err != nil || string(again) != string(block) {
			t.Errorf("accepted what Encode does not write (%v)", err)
		}
	})
}

// BenchmarkEncode encodes a plan for a process with some 60,000 areas.
func BenchmarkEncode(b *testing.B) {
	p := &Plan{}
	for i := range 400_000 {
		p.Ops = append(p.Ops, Op{Nr: abi.SysMmap, What: "map /usr/lib/x86_64-linux-gnu/libc.so.6 " + string(rune('a'+i/6%26))})
	}
	p.Ops = append(p.Ops, Op{Code: Leave, What: "leave"})
	for b.Loop() {
		if _, err := Encode(p, Options{Park: 0x10000}); err != nil {
			b.Fatal(err)
		}
	}
}
