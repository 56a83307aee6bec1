package restore

import (
	"bytes"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// TestAppendFills: whole huge pages are cut out, and nothing else is.
func TestAppendFills(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for _, test := range []struct {
		name      string
		addr, len uint64
		huge      bool
		want      []fillPiece
	}{
		{"small", 0x400000, 4096, true, []fillPiece{{Piece: image.Piece{Addr: 0x400000, Len: 4096}}}},
		{"one", 4 * mb, 2 * mb, true, []fillPiece{{Piece: image.Piece{Addr: 4 * mb, Len: 2 * mb}, huge: true}}},
		{"not wanted", 4 * mb, 6 * mb, false, []fillPiece{
			{Piece: image.Piece{Addr: 4 * mb, Len: 4 * mb}}, {Piece: image.Piece{Addr: 8 * mb, Pos: 4 * mb, Len: 2 * mb}}}},
		{"head and tail", 3 * mb, 8 * mb, true, []fillPiece{
			{Piece: image.Piece{Addr: 3 * mb, Len: mb}},
			{Piece: image.Piece{Addr: 4 * mb, Pos: mb, Len: 4 * mb}, huge: true},
			{Piece: image.Piece{Addr: 8 * mb, Pos: 5 * mb, Len: 2 * mb}, huge: true},
			{Piece: image.Piece{Addr: 10 * mb, Pos: 7 * mb, Len: mb}}}},
		{"2 MB that are no huge page", 3 * mb, 2 * mb, true, []fillPiece{
			{Piece: image.Piece{Addr: 3 * mb, Len: mb}}, {Piece: image.Piece{Addr: 4 * mb, Pos: mb, Len: mb}}}},
	} {
		got := appendFills(nil, nil, image.Piece{Addr: test.addr, Len: test.len}, test.huge)
		if len(got) != len(test.want) {
			t.Errorf("%s: %+v", test.name, got)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s: piece %d is %+v, want %+v", test.name, i, got[i], test.want[i])
			}
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
