package restore

import (
	"bytes"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// TestMapLazily: each byte of the memory is either mapped or read, at its place of
// the file; a page is read behind each piece; the end of the file is not mapped.
func TestMapLazily(t *testing.T) {
	t.Parallel()
	const start, size = 0x10000000, 24 << 20
	m := sample(t)
	m.Processes[0].Areas = []image.Area{
		{Start: start, End: start + size, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{}},
		{Start: start + 2*size, End: start + 3*size, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{"lo"}},
	}
	memory := bytes.Repeat([]byte{1}, size)
	clear(memory[5<<20 : 5<<20+256<<10]) // a hole that is mapped with what is around it
	clear(memory[9<<20 : 12<<20])        // and one that is not
	p := prepared(t, m, content{start, memory}, content{start + 2*size, bytes.Repeat([]byte{2}, size)})
	p.o.Lazy = true
	p.chooseLazy()
	if !p.lazy {
		t.Fatal(p.notLazy())
	}
	p.summed = map[*image.Image][]bool{}
	pl, _ := steps(t, p, 0, func(w *writer) {
		if err := w.memory(); err != nil {
			t.Fatal(err)
		}
	})
	seen := make([]int, size/pageSize)
	mapped, last := 0, uint64(0)
	note := func(op plan.Op, addr, n, pos uint64) {
		for at := addr; at < addr+n && at < start+size; at += pageSize {
			seen[(at-start)/pageSize]++
		}
		for _, f := range p.image.Space(0).AppendPieces(nil, addr, addr+1) {
			if f.Pos != pos {
				t.Errorf("%s: %#x is at %#x of the file, not %#x", op.What, addr, f.Pos, pos)
			}
		}
	}
	for _, op := range pl.Ops {
		switch a := op.Args; {
		case op.Nr == abi.SysMmap && int64(a[4].Imm) >= 0 && a[1].Imm > pageSize:
			if a[0].Imm >= start+size {
				t.Errorf("%s: locked memory is mapped from the image", op.What)
			}
			if a[0].Imm == last || a[1].Imm >= lazyPiece {
				t.Errorf("%s: %d bytes, right behind the last piece: %v", op.What, a[1].Imm, a[0].Imm == last)
			}
			mapped, last = mapped+int(a[1].Imm), a[0].Imm+a[1].Imm
			note(op, a[0].Imm, a[1].Imm, a[5].Imm)
		case op.Nr == abi.SysPread64 && op.Code == plan.Syscall:
			note(op, a[1].Imm, a[2].Imm, a[3].Imm)
		}
	}
	for i, n := range seen {
		if content := memory[i*pageSize] != 0; content && n != 1 || n > 1 {
			t.Errorf("page %d (content: %v) is there %d times", i, content, n)
		}
	}
	if mapped < size/2 {
		t.Errorf("only %d bytes are mapped", mapped)
	}
}

// TestLazyLimits: nothing that is mapped can grow to twice its size and reach the
// end of the file.
func TestLazyLimits(t *testing.T) {
	t.Parallel()
	l := lazyLimits{step: 2 << 20, end: 10 << 20}
	for _, test := range []struct{ pos, len, want uint64 }{
		{0, 64 << 20, 2<<20 - pageSize},
		{0, lazyMin - pageSize, 0},
		{0, lazyMin, lazyMin - pageSize},
		{9 << 20, 4 << 20, 1<<20 - pageSize},
		{10 << 20, 4 << 20, 0},
		{12 << 20, 4 << 20, 0},
	} {
		if got := l.cut(image.Piece{Pos: test.pos, Len: test.len}); got.Len != test.want || got.Pos != test.pos {
			t.Errorf("%#x+%#x: %#x+%#x, want %#x", test.pos, test.len, got.Pos, got.Len, test.want)
		}
	}
}
