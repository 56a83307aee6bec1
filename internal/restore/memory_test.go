package restore

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

const rw = image.ProtRead | image.ProtWrite

// memorySteps is the plan of one area, without the others.
func memorySteps(t *testing.T, a image.Area, memory ...content) []plan.Op {
	t.Helper()
	m := sample(t)
	if a.Flags == nil {
		a.Flags = []string{}
	}
	m.Processes[0].Areas = []image.Area{a}
	p, _ := steps(t, prepared(t, m, memory...), 0, func(w *writer) {
		w.scratch = 0x700000000000
		w.makeObjects()
		if err := w.memory(); err != nil {
			t.Fatal(err)
		}
	})
	return p.Ops[:len(p.Ops)-1]
}

// brief are the calls with those of their arguments that say the most.
func brief(ops []plan.Op) []string {
	var all []string
	for _, op := range ops {
		s := abi.SyscallName(op.Nr)
		switch a := op.Args; op.Nr {
		case abi.SysMmap:
			s += fmt.Sprintf(" %#x+%#x prot %d flags %#x", a[0].Imm, a[1].Imm, a[2].Imm, a[3].Imm)
		case abi.SysMprotect:
			s += fmt.Sprintf(" %#x+%#x prot %d", a[0].Imm, a[1].Imm, a[2].Imm)
		case abi.SysMadvise, abi.SysMlock2:
			s += fmt.Sprintf(" %d", a[2].Imm)
		case abi.SysPread64:
			s += fmt.Sprintf(" %#x+%#x", a[1].Imm, a[2].Imm)
		}
		all = append(all, s)
	}
	return all
}

func TestArea(t *testing.T) {
	t.Parallel()
	page := bytes.Repeat([]byte{7}, pageSize)
	const private = abi.MapFixed | abi.MapPrivate | abi.MapAnonymous
	for _, test := range []struct {
		name   string
		area   image.Area
		memory []content
		want   []string
	}{
		{"untouched", image.Area{Start: 0x400000, End: 0x402000, Prot: rw, Kind: image.Anonymous, File: -1}, nil,
			[]string{fmt.Sprintf("mmap 0x400000+0x2000 prot 3 flags %#x", private)}},
		{"read-only with content", image.Area{Start: 0x400000, End: 0x402000, Prot: image.ProtRead, Kind: image.Anonymous, File: -1},
			[]content{{0x401000, page}},
			[]string{fmt.Sprintf("mmap 0x400000+0x2000 prot 3 flags %#x", private), "pread64 0x401000+0x1000", "mprotect 0x400000+0x2000 prot 1"}},
		{"no access, no content", image.Area{Start: 0x400000, End: 0x402000, Kind: image.Anonymous, File: -1}, nil,
			[]string{fmt.Sprintf("mmap 0x400000+0x2000 prot 0 flags %#x", private)}},
		{"executable", image.Area{Start: 0x400000, End: 0x401000, Prot: image.ProtRead | image.ProtExec, Kind: image.Anonymous, File: -1},
			[]content{{0x400000, page}},
			[]string{fmt.Sprintf("mmap 0x400000+0x1000 prot 7 flags %#x", private), "pread64 0x400000+0x1000", "mprotect 0x400000+0x1000 prot 5"}},
		{"stack", image.Area{Start: 0x400000, End: 0x401000, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{"gd"}}, nil,
			[]string{fmt.Sprintf("mmap 0x400000+0x1000 prot 3 flags %#x", private|abi.MapGrowsDown|abi.MapStack)}},
		{"huge pages before the content", image.Area{Start: 0x400000, End: 0x401000, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{"hg"}},
			[]content{{0x400000, page}},
			[]string{fmt.Sprintf("mmap 0x400000+0x1000 prot 3 flags %#x", private), "madvise 14", "pread64 0x400000+0x1000"}},
		{"advice and locks", image.Area{Start: 0x400000, End: 0x401000, Prot: rw, Kind: image.Anonymous, File: -1, Name: "[anon:x]",
			Flags: []string{"rr", "dc", "wf", "dd", "mg", "sr", "nh", "lo", "lf", "nr"}}, nil,
			[]string{fmt.Sprintf("mmap 0x400000+0x1000 prot 3 flags %#x", private|abi.MapNoReserve),
				"madvise 10", "madvise 18", "madvise 16", "madvise 12", "madvise 2", "madvise 1", "madvise 15", "mlock2 1", "prctl"}},
		{"locked", image.Area{Start: 0x400000, End: 0x401000, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{"lo"}}, nil,
			[]string{fmt.Sprintf("mmap 0x400000+0x1000 prot 3 flags %#x", private), "mlock2 0"}},
		{"shared, read-only", image.Area{Start: 0x400000, End: 0x401000, Prot: image.ProtRead, Kind: image.SharedAnonymous, File: -1},
			[]content{{0x400000, page}},
			[]string{"mmap 0x700000000000+0x1000 prot 3 flags 0x4031", "mremap", "pread64 0x400000+0x1000", "mprotect 0x400000+0x1000 prot 1"}},
		{"replaced library", image.Area{Start: 0x400000, End: 0x401000, Prot: image.ProtRead, Kind: image.PrivateFile, File: -1, Whole: true, Offset: 0x1000},
			[]content{{0x400000, page}},
			[]string{fmt.Sprintf("mmap 0x400000+0x1000 prot 3 flags %#x", private), "pread64 0x400000+0x1000", "mprotect 0x400000+0x1000 prot 1"}},
	} {
		if got := brief(memorySteps(t, test.area, test.memory...)); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

// TestLargeArea: memory that is larger than what the kernel gives at once is
// mapped in pieces without a gap; reserved addresses, which count for nothing,
// are not.
func TestLargeArea(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Addr{1 << 28, 1<<28 + pageSize, 5<<30 + 3*pageSize, 1 << 44} {
		a := image.Area{Start: 0x400000, End: 0x400000 + size, Prot: rw, Kind: image.Anonymous, File: -1}
		ops := memorySteps(t, a)
		at := uint64(a.Start)
		for _, op := range ops {
			if op.Args[0].Imm != at || op.Args[1].Imm%pageSize != 0 || op.Args[1].Imm > max(256<<20, uint64(size)>>9) || op.Want != op.Args[0] {
				t.Fatalf("%d bytes: %+v at %#x", size, op, at)
			}
			at += op.Args[1].Imm
		}
		if at != uint64(a.End) || len(ops) > 1024 {
			t.Errorf("%d bytes: %d maps end at %#x", size, len(ops), at)
		}
		for name, change := range map[string]func(*image.Area){
			"no access":  func(a *image.Area) { a.Prot = 0 },
			"no reserve": func(a *image.Area) { a.Flags = []string{"nr"} },
		} {
			a := a
			change(&a)
			if n := len(memorySteps(t, a)); n != 1 {
				t.Errorf("%d bytes, %s: %d maps", size, name, n)
			}
		}
	}
}

func TestFills(t *testing.T) {
	t.Parallel()
	m := sample(t)
	m.Processes[0].Areas = []image.Area{
		{Start: 0x400000, End: 0x420000, Prot: rw, Kind: image.PrivateFile, File: -1, Whole: true, Flags: []string{},
			Dirty: []image.AddrRange{{Start: 0x401000, End: 0x402000}, {Start: 0x408000, End: 0x40a000}}},
	}
	p := prepared(t, m, content{0x400000, bytes.Repeat([]byte{1}, 2*pageSize)}, content{0x409000, bytes.Repeat([]byte{2}, 3*pageSize)})
	a, w := &m.Processes[0].Areas[0], newWriter(p)
	spans := func(pieces []image.Piece) (s []span) {
		for _, f := range pieces {
			s = append(s, span{f.Addr, f.Addr + f.Len})
		}
		return s
	}
	if got, want := spans(w.fills(a, false)), []span{{0x400000, 0x402000}, {0x409000, 0x40c000}}; !slices.Equal(got, want) {
		t.Errorf("all: %x, want %x", got, want)
	}
	if got, want := spans(w.fills(a, true)), []span{{0x401000, 0x402000}, {0x409000, 0x40a000}}; !slices.Equal(got, want) {
		t.Errorf("what was written to: %x, want %x", got, want)
	}
	// The pieces are where the bytes are.
	for _, f := range w.fills(a, true) {
		b := make([]byte, f.Len)
		if _, err := p.image.File().ReadAt(b, int64(f.Pos)); err != nil {
			t.Fatal(err)
		}
		if want := byte(1 + f.Addr>>15&1); b[0] != want || b[f.Len-1] != want {
			t.Errorf("%#x is not at %#x of the image", f.Addr, f.Pos)
		}
	}
}

func TestAnonymousName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"[anon:a]": "a", "[anon_shmem:b c]": "b c", "[anon:]": "", "[anon:x": "", "[heap]": "", "": "", "/[anon:x]": "",
	} {
		if got, ok := anonymousName(name); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v", name, got, ok)
		}
	}
}
