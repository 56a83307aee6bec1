package plan

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"ckpt/internal/abi"
)

func exit(b *Builder) { b.Call("exit", abi.SysExitGroup) }

func mustBuild(t *testing.T, b *Builder) *Plan {
	t.Helper()
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBuilderMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		add  func(b *Builder)
		want string
	}{
		{"nothing", func(*Builder) {}, "no ops"},
		{"no end", func(b *Builder) { b.Call("get pid", abi.SysGetpid) }, "neither leaves nor exits"},
		{"two ends", func(b *Builder) { b.Leave("leave", Landing{}); b.Leave("leave", Landing{}) }, "before the last op"},
		{"no text", func(b *Builder) { b.Call("", abi.SysGetpid); exit(b) }, "does not say"},
		{"too many arguments", func(b *Builder) { b.Call("x", 1, make([]Arg, 7)...); exit(b) }, "at most 6"},
		{"fixed slot", func(b *Builder) { b.Call("x", 1).Store(VDSO); exit(b) }, "fixed"},
		{"no such slot", func(b *Builder) { b.Call("x", 1).Store(NumSlots); exit(b) }, "no such slot"},
		{"no such slot to read", func(b *Builder) { b.Call("x", 1, Arg{Slot: NumSlots}); exit(b) }, "no such slot"},
		{"slot freed twice", func(b *Builder) { s := b.Slot(); b.Free(s); b.Free(s); exit(b) }, "not in use"},
		{"fixed slot freed", func(b *Builder) { b.Free(Base); exit(b) }, "not in use"},
		{"all slots", func(b *Builder) {
			for range NumSlots - FirstFree + 1 {
				b.Slot()
			}
			exit(b)
		}, "in use"},
		{"negative size", func(b *Builder) { b.Reserve(-1); exit(b) }, "reserve"},
		{"bad alignment", func(b *Builder) { b.AlignedData(nil, 24); exit(b) }, "aligned"},
		{"walker without ops", func(b *Builder) { b.Spawn("start", abi.SysClone); exit(b) }, "walker 1 has no ops"},
		{"walker without end", func(b *Builder) {
			w, _ := b.Spawn("start", abi.SysClone)
			w.Call("get pid", abi.SysGetpid)
			exit(b)
		}, "neither leaves nor exits"},
		{"repeated for ever", func(b *Builder) { b.Add("add", Imm(0), Imm(1)).Until(Imm(7)); exit(b) }, "repeated"},
		{"departs in the middle", func(b *Builder) { b.Depart("depart", Landing{}, Imm(0)); exit(b) }, "before the last op"},
		{"cut in a page", func(b *Builder) { b.Leave("leave", Landing{Keep: pageSize + 8}) }, "cut off"},
		{"keep all", func(b *Builder) { b.Leave("leave", Landing{Keep: 0}) }, ""},
	} {
		b := NewBuilder()
		c.add(b)
		_, err := b.Build()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestValidateWalkers(t *testing.T) {
	t.Parallel()
	end := Op{Code: Leave, What: "leave"}
	spawn := func(w int) Op { return Op{Code: Spawn, Nr: abi.SysClone, Walker: w, What: "spawn"} }
	for _, c := range []struct {
		name string
		plan Plan
		want string
	}{
		{"good", Plan{Ops: []Op{spawn(1), end, spawn(2), end, end}, Others: []int{2, 4}}, ""},
		{"not started", Plan{Ops: []Op{end, end}, Others: []int{1}}, "nobody starts"},
		{"started twice", Plan{Ops: []Op{spawn(1), spawn(1), end, end}, Others: []int{3}}, "can not start"},
		{"starts itself", Plan{Ops: []Op{spawn(1), end, spawn(1), end}, Others: []int{2}}, "can not start"},
		{"starts the first", Plan{Ops: []Op{spawn(0), end}}, "can not start"},
		{"no such walker", Plan{Ops: []Op{spawn(2), end, end}, Others: []int{2}}, "can not start"},
		{"lists overlap", Plan{Ops: []Op{spawn(1), spawn(2), end, end}, Others: []int{3, 2}}, "no ops"},
		{"behind the end", Plan{Ops: []Op{spawn(1), end}, Others: []int{2}}, "no ops"},
		{"negative", Plan{Ops: []Op{end}, Others: []int{-1}}, "no ops"},
		{"walker of another op", Plan{Ops: []Op{{Walker: 1, What: "x"}, end, end}, Others: []int{2}}, "starts none"},
	} {
		if err := c.plan.Validate(); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestSlotsAreReused(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	for range 1000 {
		s, other := b.Slot(), b.Slot()
		if s == other || s < FirstFree {
			t.Fatalf("slots %d and %d", s, other)
		}
		b.Free(s)
		b.Free(other)
	}
	exit(b)
	mustBuild(t, b)
}

func TestData(t *testing.T) {
	t.Parallel()
	b := NewBuilder()
	odd := b.Data([]byte("abc"))
	same := b.Data([]byte("abc"))
	str := b.CString("/x")
	frame := b.AlignedData([]byte{1, 2, 3}, 64)
	first, second := b.Reserve(8), b.Reserve(8)
	page := b.ReserveAligned(1, pageSize)
	exit(b)
	p := mustBuild(t, b)

	at := func(a Arg, n int) []byte { return p.Data[a.Imm-DataOffset:][:n] }
	if odd != same {
		t.Error("equal data stands twice")
	}
	if odd.Slot != Base || !bytes.Equal(at(odd, 3), []byte("abc")) {
		t.Errorf("data %+v", odd)
	}
	if str.Imm%8 != 0 || !bytes.Equal(at(str, 3), []byte("/x\x00")) {
		t.Errorf("string %+v: %q", str, at(str, 3))
	}
	if frame.Imm%64 != 0 || !bytes.Equal(at(frame, 3), []byte{1, 2, 3}) {
		t.Errorf("frame %+v: %q", frame, at(frame, 3))
	}
	if first == second {
		t.Error("reserved data is shared")
	}
	if page.Imm%pageSize != 0 {
		t.Errorf("page %+v", page)
	}
	if len(p.Data)%8 != 0 {
		t.Errorf("%d bytes of data", len(p.Data))
	}
}

func TestLongTextIsCut(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		b := NewBuilder()
		b.Call(strings.Repeat("x", n)+strings.Repeat("ä", MaxWhat), abi.SysGetpid)
		exit(b)
		what := mustBuild(t, b).Ops[0].What
		if len(what) > MaxWhat || len(what) < MaxWhat-4 || !utf8.ValidString(what) || !strings.HasSuffix(what, "ä...") {
			t.Errorf("%d bytes: %q", len(what), what)
		}
	}
}
