package image

import (
	"bytes"
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

// world is the memory of a process in a test: pages by their number.
type world struct {
	r     *rand.Rand
	areas []Area
	pages map[uint64][]byte
}

const worldStart, worldPages = 0x10000000, 4000

// touch writes to a stretch of pages, with zeros now and then, or only those.
func (w *world) touch(from, n uint64) {
	zeros := w.r.IntN(4) == 0
	for i := from; i < min(from+n, worldPages); i++ {
		w.pages[i] = make([]byte, PageSize)
		if !zeros && w.r.IntN(4) > 0 {
			copy(w.pages[i], randomBytes(PageSize, w.r.Uint64()))
		}
	}
}

func (w *world) at(addr uint64) []byte { return w.pages[(addr-worldStart)/PageSize] }

// runs are the pages that are there, cut where areas end.
func (w *world) runs() (runs []Run) {
	for _, a := range w.areas {
		for at := uint64(a.Start); at < uint64(a.End); at += PageSize {
			if w.at(at) == nil {
				continue
			}
			if n := len(runs); n > 0 && runs[n-1].end() == at && runs[n-1].Start >= uint64(a.Start) {
				runs[n-1].Len += PageSize
			} else {
				runs = append(runs, Run{at, PageSize})
			}
		}
	}
	return runs
}

// remap cuts the world into other areas, with and without gaps.
func (w *world) remap() {
	w.areas = nil
	for at := uint64(0); at < worldPages; {
		n := min(uint64(1+w.r.IntN(2000)), worldPages-at)
		if w.r.IntN(8) > 0 {
			a := Area{Start: Addr(worldStart + at*PageSize), End: Addr(worldStart + (at+n)*PageSize), Prot: Prot(w.r.IntN(4)), Kind: Anonymous, File: -1, Flags: []string{}}
			w.areas = append(w.areas, a)
		}
		at += n
	}
	if len(w.areas) == 0 {
		w.remap()
	}
}

func (w *world) read(r Run) (b []byte) {
	for at := r.Start; at < r.end(); at += PageSize {
		b = append(b, w.at(at)...)
	}
	return b
}

// TestAhead: whatever becomes of memory that was copied ahead, the image holds
// what it is in the end, and nothing else.
func TestAhead(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := &world{r: r, pages: map[uint64][]byte{}}
		w.remap()
		for range 1 + r.IntN(20) {
			w.touch(r.Uint64N(worldPages), 1+r.Uint64N(300))
		}
		path := filepath.Join(t.TempDir(), "image")
		out, err := Create(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(out.Abort)
		ahead, err := out.Ahead([]Space{{Areas: w.areas, Runs: w.runs()}})
		if err != nil {
			t.Fatal(err)
		}
		before := map[uint64][]byte{}
		for _, run := range w.runs() {
			if err := ahead[0].WriteMemory(run.Start, w.read(run)); err != nil {
				t.Fatal(err)
			}
		}
		for i, b := range w.pages {
			before[i] = slices.Clone(b)
		}
		// It runs on: pages come, go and change, and so do areas.
		for range r.IntN(30) {
			w.touch(r.Uint64N(worldPages), 1+r.Uint64N(20))
			from := r.Uint64N(worldPages)
			for i := range r.Uint64N(50) {
				delete(w.pages, from+i)
			}
		}
		if r.IntN(2) == 0 {
			w.remap()
		}
		m := sample()
		m.Processes[0].Areas = w.areas
		if err := out.Layout(Layout{Processes: []Space{{Areas: w.areas, Runs: w.runs(), Ahead: ahead[0]}}}); err != nil {
			t.Fatal(err)
		}
		s := out.Process(0)
		for _, run := range w.runs() {
			for at := run.Start; at < run.end(); at += PageSize {
				now, was := w.at(at), before[(at-worldStart)/PageSize]
				switch {
				case !s.Ahead(at, PageSize):
					err = s.WriteMemory(at, now)
				case was == nil || !bytes.Equal(now, was) || r.IntN(10) == 0:
					err = s.Rewrite(at, now)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := out.Commit(m, CommitOptions{}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		w.compare(t, seed, path)
	}
}

// compare reads all back.
func (w *world) compare(t *testing.T, seed uint64, path string) {
	t.Helper()
	im, err := Open(path)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	defer im.Close()
	if err := im.Verify(context.Background(), 2, nil); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	b := make([]byte, PageSize)
	for _, a := range w.areas {
		for at := uint64(a.Start); at < uint64(a.End); at += PageSize {
			if err := im.Space(0).ReadMemory(at, b); err != nil {
				t.Fatal(err)
			}
			want := w.at(at)
			if want == nil {
				want = zeroPage[:]
			}
			if !bytes.Equal(b, want) {
				t.Fatalf("seed %d: page at %#x is not what it was", seed, at)
			}
		}
	}
}
