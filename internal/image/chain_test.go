package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
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
	var l link
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

// threeLinks are a chain of images of four pages: the first has all, each of the
// others one.
func threeLinks(t testing.TB) (dir string, pages [4][]byte) {
	dir = t.TempDir()
	areas := []Area{{Start: 0x10000, End: 0x14000, Kind: Anonymous, File: -1, Prot: ProtRead | ProtWrite, Name: "[heap]"}}
	all := randomBytes(4*PageSize, 1)
	writeLink(t, filepath.Join(dir, "a"), 0, nil, link{areas: areas, runs: []Run{{0x10000, 0x4000}}, bytes: all})
	for n, name := range []string{"b", "c"} {
		parent := open(t, filepath.Join(dir, string("ab"[n])))
		at := uint64(0x11000 + n*PageSize)
		b := randomBytes(PageSize, uint64(2+n))
		copy(all[at-0x10000:], b)
		writeLink(t, filepath.Join(dir, name), n+1, parent, link{
			areas: areas, runs: []Run{{at, PageSize}}, bytes: b,
			kept: []Run{{0x10000, at - 0x10000}, {at + PageSize, 0x14000 - at - PageSize}},
		})
	}
	for i := range pages {
		pages[i] = all[i*PageSize : (i+1)*PageSize]
	}
	return dir, pages
}

// TestBrokenChains: the error says which image of a chain is missing or is not as
// it was.
func TestBrokenChains(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(dir string) error
		want error
		text string
	}{
		"missing": {func(dir string) error { return os.Remove(dir + "/a") }, ErrNoParent, "goes on from image a (000000000000): it is not there"},
		"another": {func(dir string) error { return os.Rename(dir+"/c", dir+"/a") }, ErrNoParent, "a is another image"},
		"altered": {func(dir string) error {
			b, err := os.ReadFile(dir + "/a")
			if err != nil {
				return err
			}
			b = reseal(t, b, func(_, n []byte) { n[bytes.Index(n, []byte(`"umask":`))+8]++ })
			return os.WriteFile(dir+"/a", b, 0o600)
		}, ErrCorrupt, "a is not as it was when this one was made"},
		"damaged":  {func(dir string) error { return os.Truncate(dir+"/a", 100) }, ErrCorrupt, "goes on from image a"},
		"no image": {func(dir string) error { return os.WriteFile(dir+"/a", []byte("hello"), 0o600) }, ErrNotImage, "goes on from image a"},
	} {
		dir, _ := threeLinks(t)
		// What is opened is c, or what was c.
		top := dir + "/d"
		if err := errors.Join(os.Link(dir+"/c", top), c.do(dir)); err != nil {
			t.Fatal(err)
		}
		var e *LinkError
		if _, err := Open(top); !errors.Is(err, c.want) || !errors.As(err, &e) || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), top) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMovedChain: the images of a chain are found where they were, beside each
// other, and under the names they are kept by.
func TestMovedChain(t *testing.T) {
	t.Parallel()
	dir, pages := threeLinks(t)
	for _, move := range [][2]string{{"a", KeptName("a", id(0))}, {"b", KeptName("b", id(1))}} {
		if err := os.Rename(filepath.Join(dir, move[0]), filepath.Join(dir, move[1])); err != nil {
			t.Fatal(err)
		}
		im := open(t, filepath.Join(dir, "c"))
		for i, want := range pages {
			got := make([]byte, PageSize)
			if err := im.Space(0).ReadMemory(uint64(0x10000+i*PageSize), got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("page %d: %v", i, err)
			}
		}
	}
}

// TestDamageInChain: a flipped bit in any of the images is found, and told.
func TestDamageInChain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "b", "c"} {
		dir, _ := threeLinks(t)
		path := filepath.Join(dir, name)
		im := open(t, path)
		for _, p := range im.Space(0).AppendPieces(nil, 0x10000, 0x14000) {
			if p.In == im {
				flip(t, path, int64(p.Pos))
			}
		}
		var e *LinkError
		err := check(filepath.Join(dir, "c"))
		if !errors.Is(err, ErrCorrupt) || errors.As(err, &e) != (name != "c") || e != nil && e.Path != name {
			t.Errorf("%s: %v", name, err)
		}
		top := open(t, filepath.Join(dir, "c"))
		if _, err := top.Flatten(t.Context(), filepath.Join(dir, "flat"), CommitOptions{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: flattened: %v", name, err)
		}
	}
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// TestKeptWithoutParent: what is kept needs somebody to have it.
func TestKeptWithoutParent(t *testing.T) {
	t.Parallel()
	areas := []Area{{Start: 0x10000, End: 0x14000, Kind: Anonymous, File: -1}}
	layout := one(areas, nil)
	layout.Processes[0].Kept = []Run{{0x10000, 0x1000}}
	m := sample()
	m.Processes[0].Areas = areas
	w, err := Create(t.Context(), filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Layout(layout); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(m); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("written: %v", err)
	}
	// An image says so without a writer.
	path := filepath.Join(t.TempDir(), "image")
	write(t, path, sample(), areas, nil)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := reseal(t, good, func(h, _ []byte) { binary.LittleEndian.PutUint32(h[ehdrSize+phdrSize:], typeKept) })
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("read: %v", err)
	}
}

// TestLongAndCircularChains: neither is followed for ever.
func TestLongAndCircularChains(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	areas := []Area{{Start: 0x10000, End: 0x11000, Kind: Anonymous, File: -1}}
	path := func(n int) string { return filepath.Join(dir, fmt.Sprint(n)) }
	var parent *Image
	for n := range MaxParents + 2 {
		writeLink(t, path(n), n, parent, link{areas: areas})
		im, err := Open(path(n))
		if n <= MaxParents && err != nil || n > MaxParents && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d parents: %v", n, err)
		}
		if parent != nil {
			parent.Close()
		}
		parent = im
	}
	// The seal of an image that is its own parent can not be right, but the id can.
	own, err := openAlone(path(0))
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	writeLink(t, path(0), 0, own, link{areas: areas})
	var e *LinkError
	if _, err := Open(path(0)); !errors.As(err, &e) || !errors.Is(err, ErrCorrupt) {
		t.Errorf("circle: %v", err)
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
