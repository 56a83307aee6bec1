package save

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"syscall"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// TestCopyOnWrite: pages that children have not written to since they were
// forked are in the image once, and all processes have the right content.
func TestCopyOnWrite(t *testing.T) {
	t.Parallel()
	const start, pages = 0x200000000, 64
	g := startTree(t, "cow", "3")
	before := g.trace()
	for range 2 { // the second time there have been twins
		_, im := savedTree(t, g)
		var places [4]map[uint64]uint64 // in the file, of each page
		for i := range places {
			places[i] = map[uint64]uint64{}
			for _, p := range im.Space(i).AppendPieces(nil, start, start+pages*pageSize) {
				for at := uint64(0); at < p.Len; at += pageSize {
					places[i][p.Addr+at] = p.Pos + at
				}
			}
			b := make([]byte, 8)
			for k := range uint64(pages) {
				want := k + 1
				if i > 0 && k == uint64(i-1) {
					want = 1000 + k
				}
				if err := im.Space(i).ReadMemory(start+k*pageSize, b); err != nil || word(b) != want {
					t.Errorf("page %d of process %d: %d, error %v", k, i, word(b), err)
				}
			}
		}
		for i := 1; i < len(places); i++ {
			for k := range uint64(pages) {
				at := start + k*pageSize
				if same := places[i][at] == places[0][at]; same == (k == uint64(i-1)) {
					t.Errorf("page %d of process %d is at %#x, that of the root at %#x", k, i, places[i][at], places[0][at])
				}
			}
		}
		if own := int64(im.Stats().Memory); own > 8<<20 {
			t.Errorf("%d bytes of memory in the image: programs and libraries are there more than once", own)
		}
		g.untouched(before)
	}
}

func word(b []byte) (w uint64) {
	for i := range 8 {
		w |= uint64(b[i]) << (8 * i)
	}
	return w
}

// TestSamePages: who is not told which physical page is where compares contents,
// but no more than there is time for.
func TestSamePages(t *testing.T) {
	t.Parallel()
	mem := func(fill string) *os.File {
		path := filepath.Join(t.TempDir(), "mem")
		var b bytes.Buffer
		for _, c := range []byte(fill) {
			b.Write(bytes.Repeat([]byte{c}, pageSize))
		}
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	const hidden, told = pagemapPresent, pagemapPresent | 77
	run := func(from, pages uint64) image.Run { return image.Run{Start: from * pageSize, Len: pages * pageSize} }
	a := &member{frozen: &frozen{mem: mem("abcdefgh")}, cow: []cowPages{
		{run(0, 3), []uint64{hidden, hidden, hidden}}, {run(4, 4), []uint64{hidden, told, told, pagemapSwapped}},
	}}
	b := &member{frozen: &frozen{mem: mem("abXdefgh")}, cow: []cowPages{
		{run(0, 8), []uint64{hidden, hidden, hidden, hidden, hidden, told + 1, told, pagemapSwapped}},
	}}
	for budget, want := range map[int64][]image.Run{
		1 << 20:  {run(0, 2), run(4, 1), run(6, 1)},
		pageSize: {run(0, 1), run(6, 1)},
	} {
		var left atomic.Int64
		left.Store(budget)
		if got, err := a.samePages(b, &left); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v instead of %+v, error %v", got, want, err)
		}
	}
}

// TestRunLists: what is in both lists, and in one only.
func TestRunLists(t *testing.T) {
	t.Parallel()
	a := []image.Run{{Start: 0, Len: 4}, {Start: 6, Len: 4}, {Start: 20, Len: 1}}
	b := []image.Run{{Start: 2, Len: 5}, {Start: 9, Len: 20}}
	if got := intersect(a, b); !reflect.DeepEqual(got, []image.Run{{Start: 2, Len: 2}, {Start: 6, Len: 1}, {Start: 9, Len: 1}, {Start: 20, Len: 1}}) {
		t.Errorf("in both: %+v", got)
	}
	if got := subtract(a, b); !reflect.DeepEqual(got, []image.Run{{Start: 0, Len: 2}, {Start: 7, Len: 2}}) {
		t.Errorf("in the first only: %+v", got)
	}
	overlapping := []image.Run{{Start: 0, Len: 9}, {Start: 1, Len: 1}, {Start: 2, Len: 1}, {Start: 20, Len: 1}}
	if got := subtract(a, overlapping); !reflect.DeepEqual(got, []image.Run{{Start: 9, Len: 1}}) {
		t.Errorf("without those that overlap: %+v", got)
	}
}

// TestMemoryOfTree: the image has the memory of every process as it is, wherever
// it stands in the file, but for what is below a stack pointer.
func TestMemoryOfTree(t *testing.T) {
	t.Parallel()
	for _, c := range [][]string{{"cow", "3"}, {"chain", "4"}, {"clone", "2", "v"}} {
		g := startTree(t, c...)
		if err := syscall.Kill(-g.pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		_, im := savedTree(t, g)
		for i := range im.Manifest().Processes {
			p := im.Process(i)
			mem, err := os.Open(proc.Host().Process(p.PID).Path("mem"))
			if err != nil {
				t.Fatal(err)
			}
			defer mem.Close()
			stack, rseq := p.Threads[0].Regs.Rsp, p.Threads[0].Rseq
			for _, a := range p.Areas {
				for _, piece := range im.Space(i).AppendPieces(nil, uint64(a.Start), uint64(a.End)) {
					is, want := make([]byte, piece.Len), make([]byte, piece.Len)
					if _, err := mem.ReadAt(want, int64(piece.Addr)); err != nil {
						t.Fatal(err)
					}
					if err := im.Space(i).ReadMemory(piece.Addr, is); err != nil {
						t.Fatal(err)
					}
					for k := range is {
						at := piece.Addr + uint64(k)
						free := a.Start <= image.Addr(stack) && image.Addr(stack) < a.End && at < stack-128
						kernels := rseq.Area <= at && at < rseq.Area+uint64(rseq.Size)
						if is[k] != want[k] && !free && !kernels && a.Kind != image.SharedAnonymous {
							t.Fatalf("process %d of %v: memory at %#x (%s) is %#x instead of %#x", i, c, at, a.Name, is[k], want[k])
						}
					}
				}
			}
		}
		if err := syscall.Kill(-g.pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		g.works()
	}
}
