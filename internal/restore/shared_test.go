package restore

import (
	"slices"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// TestSharedObjects: each object is made once, as large as its parts need, and
// every part is mapped from where it is in the object.
func TestSharedObjects(t *testing.T) {
	t.Parallel()
	part := func(start image.Addr, pages uint64, object, offset uint64) image.Area {
		return image.Area{
			Start: start, End: start + image.Addr(pages*pageSize), Prot: rw, Kind: image.SharedAnonymous,
			File: -1, Object: object, Offset: offset * pageSize, Flags: []string{},
		}
	}
	m := sample(t)
	m.Processes[0].Areas = []image.Area{
		part(0x400000, 1, 7, 3),
		{Start: 0x500000, End: 0x501000, Kind: image.Anonymous, File: -1, Flags: []string{}},
		part(0x600000, 2, 9, 0),
		part(0x700000, 2, 7, 0),
	}
	p := prepared(t, m)
	if got := p.objects(); !slices.Equal(got, []sharedMemory{{7, 4 * pageSize, 0, -1}, {9, 2 * pageSize, 4 * pageSize, -1}}) {
		t.Fatalf("objects %+v", got)
	}
	const scratch = 0x700000000000
	pl, _ := steps(t, p, 0, func(w *writer) {
		w.scratch = scratch
		w.makeObjects()
		w.mapObjects()
		w.unmapObjects()
	})
	type call struct {
		nr            uint32
		from, to, len uint64
	}
	var got []call
	for _, op := range pl.Ops[:len(pl.Ops)-1] {
		c := call{nr: op.Nr, from: op.Args[0].Imm, len: op.Args[1].Imm}
		if op.Nr == abi.SysMremap {
			if op.Args[1].Imm != 0 || op.Want != op.Args[4] || op.Args[3] != plan.Imm(abi.MremapMayMove|abi.MremapFixed) {
				t.Errorf("%s: %+v does not map it a second time", op.What, op)
			}
			c.to, c.len = op.Args[4].Imm, op.Args[2].Imm
		}
		got = append(got, c)
	}
	const second = scratch + 4*pageSize
	want := []call{
		{abi.SysMmap, scratch, 0, 4 * pageSize},
		{abi.SysMmap, second, 0, 2 * pageSize},
		{abi.SysMremap, scratch + 3*pageSize, 0x400000, pageSize},
		{abi.SysMremap, second, 0x600000, 2 * pageSize},
		{abi.SysMremap, scratch, 0x700000, 2 * pageSize},
		{abi.SysMunmap, scratch, 0, 6 * pageSize},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%x\nwant\n%x", got, want)
	}
}
