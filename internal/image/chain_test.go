package image

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// link is an image of a chain, as it is to be written.
type link struct {
	areas      []Area
	runs, kept []Run
	bytes      []byte // of the runs, one behind the other
	compressed bool
}

// id is an id for the n-th image of a test.
func id(n int) string { return fmt.Sprintf("%032x", n+1) }

// writeLink writes an image that goes on from parent, which may be nil.
func writeLink(t testing.TB, path string, n int, parent *Image, l link) {
	t.Helper()
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	m := sample()
	m.ID, m.Processes[0].Areas = id(n), l.areas
	if parent != nil {
		m.Parent = &Parent{ID: parent.Manifest().ID, Seal: parent.Seal(), Path: filepath.Base(parent.Path())}
	}
	if l.compressed {
		if err := w.CompressWith(1); err != nil {
			t.Fatal(err)
		}
	}
	layout := one(l.areas, l.runs)
	layout.Processes[0].Kept = l.kept
	if err := w.Layout(layout); err != nil {
		t.Fatal(err)
	}
	at := uint64(0)
	for _, r := range l.runs {
		if err := w.Process(0).WriteMemory(r.Start, l.bytes[at:at+r.Len]); err != nil {
			t.Fatal(err)
		}
		at += r.Len
	}
	ref, err := w.AddPayload(newPayload(randomBytes(100, uint64(n))), 100, [][2]int64{{0, 20}, {30, 50}})
	if err != nil {
		t.Fatal(err)
	}
	m.Files[0].Detail = fmt.Appendf(nil, `{"text":"extents","of":[{"data":{"size":100,"extents":[{"off":0,"len":20,"pos":%d},{"off":30,"len":50,"pos":%d}]}}]}`,
		ref.Extents[0].Pos, ref.Extents[1].Pos)
	if _, err := w.Commit(m, CommitOptions{}); err != nil {
		t.Fatal(err)
	}
}

// drawLink draws what becomes of memory, and changes it accordingly. What is not
// in memory is not saved.
func drawLink(t *rapid.T, memory map[uint64][]byte, before []Area) link {
	const first, pages = 0x10, 24
	l := link{compressed: rapid.Bool().Draw(t, "compressed")}
	for at := uint64(first); at < first+pages; {
		n := rapid.Uint64Range(1, 9).Draw(t, "pages")
		a := Area{
			Start: Addr(at * PageSize), End: Addr((at + n) * PageSize), File: -1, Prot: ProtRead,
			Kind: rapid.SampledFrom([]AreaKind{Anonymous, Anonymous, PrivateFile}).Draw(t, "kind"),
		}
		at += n
		if rapid.IntRange(0, 5).Draw(t, "mapped") > 0 {
			l.areas = append(l.areas, a)
		}
	}
	if len(before) > 0 && rapid.Bool().Draw(t, "same areas") {
		l.areas = before
	}
	add := func(runs []Run, a *Area, addr uint64) []Run {
		if n := len(runs); n > 0 && runs[n-1].end() == addr && runs[n-1].Start >= uint64(a.Start) && rapid.Bool().Draw(t, "joined") {
			runs[n-1].Len += PageSize
			return runs
		}
		return append(runs, Run{addr, PageSize})
	}
	now := map[uint64][]byte{}
	for i := range l.areas {
		a := &l.areas[i]
		for addr := uint64(a.Start); addr < uint64(a.End); addr += PageSize {
			there := areaAt(before, addr)
			switch what := rapid.IntRange(0, 4).Draw(t, "what"); {
			case what == 0:
				// It is given back, or was never touched.
			case what == 1 || there == nil || there.zeroIsImplied() != a.zeroIsImplied():
				b := make([]byte, PageSize)
				if rapid.IntRange(0, 3).Draw(t, "zero") > 0 {
					b = randomBytes(PageSize, rapid.Uint64().Draw(t, "seed"))
				}
				now[addr], l.bytes = b, append(l.bytes, b...)
				l.runs = add(l.runs, a, addr)
			default:
				if b := memory[addr]; b != nil {
					now[addr] = b
				}
				l.kept = add(l.kept, a, addr)
			}
		}
	}
	clear(memory)
	for addr, b := range now {
		memory[addr] = b
	}
	return l
}

// checkLink compares an image with what it should hold.
func checkLink(t *rapid.T, im *Image, areas []Area, memory map[uint64][]byte) {
	var got [PageSize]byte
	for i := range areas {
		a := &areas[i]
		for addr := uint64(a.Start); addr < uint64(a.End); addr += PageSize {
			want := memory[addr]
			saved := len(im.Space(0).AppendPieces(nil, addr, addr+PageSize)) > 0
			if saved && want == nil || !saved && want != nil && !a.zeroIsImplied() {
				t.Fatalf("page %#x of a %s area is saved: %v", addr, a.Kind, saved)
			}
			if want == nil {
				want = zeroPage[:]
			}
			if err := im.Space(0).ReadMemory(addr, got[:]); err != nil || !bytes.Equal(got[:], want) {
				t.Fatalf("page %#x is not what it was, %v", addr, err)
			}
		}
	}
}

// TestChain draws chains of images. Each shows the memory as it was, and so do the
// image that is made of it and the core.
func TestChain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		memory := map[uint64][]byte{}
		var parent *Image
		var areas []Area
		for n := range rapid.IntRange(1, 6).Draw(rt, "links") {
			path := filepath.Join(dir, fmt.Sprint("link", n))
			l := drawLink(rt, memory, areas)
			writeLink(t, path, n, parent, l)
			im, err := Open(path)
			if err != nil {
				rt.Fatal(err)
			}
			if parent != nil {
				parent.Close()
			}
			parent, areas = im, l.areas
			if err := im.Verify(t.Context(), 2, nil); err != nil {
				rt.Fatal(err)
			}
			checkLink(rt, im, areas, memory)
			checkFlat(rt, im, areas, memory, filepath.Join(dir, "flat"))
			core := filepath.Join(dir, "core")
			if _, err := im.WriteCore(t.Context(), 0, core); err != nil {
				rt.Fatal(err)
			}
			if n > 0 && rapid.IntRange(0, 3).Draw(rt, "flatten") == 0 {
				// In the place of the link, for the others.
				if _, err := im.Flatten(t.Context(), path, CommitOptions{}); err != nil {
					rt.Fatal(err)
				}
			}
		}
		parent.Close()
	})
}

func checkFlat(t *rapid.T, im *Image, areas []Area, memory map[uint64][]byte, path string) {
	if _, err := im.Flatten(context.Background(), path, CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	flat, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer flat.Close()
	if err := flat.Verify(context.Background(), 1, nil); err != nil {
		t.Fatal(err)
	}
	if flat.Parent() != nil || flat.Manifest().ID != im.Manifest().ID || !flat.Stands(Parent{ID: im.Manifest().ID, Seal: im.Seal()}) {
		t.Fatalf("flattened: %+v", flat.Manifest())
	}
	checkLink(t, flat, areas, memory)
	payload := func(im *Image) (b []byte) {
		_, err := mapPayload(im.Manifest().Files[0].Detail, func(ref PayloadRef) (PayloadRef, error) {
			r, err := im.Payload(ref)
			if err != nil {
				return ref, err
			}
			b = make([]byte, r.Size())
			_, err = r.ReadAt(b, 0)
			return ref, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if a, b := payload(im), payload(flat); len(a) != 100 || !bytes.Equal(a, b) {
		t.Fatalf("payload %x and %x", a, b)
	}
}

// TestChainCore: gdb says that it can not read what an image keeps, and sees all in
// the core that is written of it.
func TestChainCore(t *testing.T) {
	t.Parallel()
	dir, pages := threeLinks(t)
	im := open(t, filepath.Join(dir, "c"))
	core := filepath.Join(dir, "core")
	if _, err := im.WriteCore(t.Context(), 0, core); err != nil {
		t.Fatal(err)
	}
	ask := func(path string) string {
		out, errs := run(t, "gdb", "-batch", "-nx", "-core", path, "-ex", "x/1xb 0x10000", "-ex", "x/1xb 0x13fff", "-ex", "x/1xb 0x12000")
		return out + errs
	}
	if got := ask(filepath.Join(dir, "c")); !strings.Contains(got, fmt.Sprintf("0x12000:\t0x%02x", pages[2][0])) || !strings.Contains(got, "Cannot access memory at address 0x10000") {
		t.Errorf("of the image: %s", got)
	}
	got := ask(core)
	for _, want := range []string{
		fmt.Sprintf("0x12000:\t0x%02x", pages[2][0]), fmt.Sprintf("0x10000:\t0x%02x", pages[0][0]), fmt.Sprintf("0x13fff:\t0x%02x", pages[3][PageSize-1]),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("of the core: %s, want %s", got, want)
		}
	}
	if out, errs := run(t, "readelf", "-a", "-W", filepath.Join(dir, "c")); errs != "" {
		t.Errorf("readelf warns %q, shows %.2000s", errs, out)
	}
}
