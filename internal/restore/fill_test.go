package restore

import (
	"bytes"
	"slices"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// TestAppendFills: huge pages are made where most of them is in the image, and
// nowhere else. Each byte is read once.
func TestAppendFills(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	at := func(addr, n uint64) image.Piece { return image.Piece{Addr: addr, Pos: addr + mb, Len: n} }
	for _, test := range []struct {
		name string
		in   []image.Piece
		huge bool
		want []fillPiece // of huge, only the span
	}{
		{"small", []image.Piece{at(4*mb, pageSize)}, true, []fillPiece{{pieces: []image.Piece{at(4*mb, pageSize)}}}},
		{"one", []image.Piece{at(4*mb, 2*mb)}, true, []fillPiece{{huge: span{4 * mb, 6 * mb}}}},
		{"not wanted", []image.Piece{at(4*mb, 6*mb)}, false, []fillPiece{
			{pieces: []image.Piece{at(4*mb, 4*mb)}}, {pieces: []image.Piece{at(8*mb, 2*mb)}}}},
		{"head and tail", []image.Piece{at(3*mb, 8*mb)}, true, []fillPiece{
			{pieces: []image.Piece{at(3*mb, mb)}}, {huge: span{4 * mb, 8 * mb}}, {huge: span{8 * mb, 10 * mb}}, {pieces: []image.Piece{at(10*mb, mb)}}}},
		{"2 MB that are no huge page", []image.Piece{at(3*mb, 2*mb)}, true, []fillPiece{{pieces: []image.Piece{at(3*mb, 2*mb)}}}},
		{"small holes", []image.Piece{at(4*mb+pageSize, mb/2), at(5*mb, mb), at(6*mb, 2*mb)}, true, []fillPiece{{huge: span{4 * mb, 8 * mb}}}},
		{"large hole", []image.Piece{at(4*mb, mb), at(5*mb+mb/2+pageSize, mb/2-pageSize), at(6*mb, 2*mb)}, true, []fillPiece{
			{pieces: []image.Piece{at(4*mb, mb)}}, {pieces: []image.Piece{at(5*mb+mb/2+pageSize, mb/2-pageSize)}}, {huge: span{6 * mb, 8 * mb}}}},
		{"beyond the area", []image.Piece{at(10*mb, 2*mb)}, true, []fillPiece{{pieces: []image.Piece{at(10*mb, 2*mb)}}}},
	} {
		area := image.Area{Start: 3 * mb, End: 11 * mb}
		got := appendFills(nil, &mapping{area: &area, fills: test.in}, test.huge)
		var read, want uint64
		for _, p := range test.in {
			want += p.Len
		}
		for i := range got {
			next := uint64(0)
			for _, p := range got[i].pieces {
				if p.Addr < next || p.Pos != p.Addr+mb || got[i].huge.size() > 0 && (p.Addr < got[i].huge.start || p.Addr+p.Len > got[i].huge.end) {
					t.Errorf("%s: piece %d reads %+v", test.name, i, p)
				}
				next = p.Addr + p.Len
				read += p.Len
			}
			if i < len(test.want) && (got[i].huge != test.want[i].huge || got[i].huge.size() == 0 && !slices.Equal(got[i].pieces, test.want[i].pieces)) {
				t.Errorf("%s: piece %d is %+v, want %+v", test.name, i, got[i], test.want[i])
			}
		}
		if len(got) != len(test.want) || read != want {
			t.Errorf("%s: %d pieces, want %d; %d bytes of %d are read", test.name, len(got), len(test.want), read, want)
		}
	}
}

// TestFillTogether: with much to read, two walkers read all of it, each about a
// half, and the second one ends.
func TestFillTogether(t *testing.T) {
	t.Parallel()
	const size = 24 << 20
	m := sample(t)
	m.Processes[0].Areas = []image.Area{{Start: 0x400000, End: 0x400000 + size, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{}}}
	p := prepared(t, m, content{0x400000, bytes.Repeat([]byte{1}, size)})
	if p.cpus() < 2 {
		t.Skip("there is only one processor")
	}
	pl, _ := steps(t, p, 0, func(w *writer) {
		if err := w.memory(); err != nil {
			t.Fatal(err)
		}
	})
	if len(pl.Others) != 1 {
		t.Fatalf("%d other walkers", len(pl.Others))
	}
	count := func(ops []plan.Op) (read uint64) {
		for _, op := range ops {
			if op.Nr == abi.SysPread64 {
				read += op.Args[2].Imm
			}
		}
		return read
	}
	ours, theirs := count(pl.Ops[:pl.Others[0]]), count(pl.Ops[pl.Others[0]:])
	if ours+theirs != size || max(ours, theirs)-min(ours, theirs) > 2*fillStep {
		t.Errorf("they read %d and %d bytes", ours, theirs)
	}
	if last := pl.Ops[len(pl.Ops)-1]; last.Nr != abi.SysExit {
		t.Errorf("the second one ends with %+v", last)
	}
}
