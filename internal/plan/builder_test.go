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
