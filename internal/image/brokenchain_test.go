package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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

// TestDamagedGapInChain: what belongs to nothing in one image of a chain is zero,
// and looking at the gaps alone says so.
func TestDamagedGapInChain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "b", "c"} {
		dir, _ := threeLinks(t)
		path := filepath.Join(dir, name)
		top := open(t, filepath.Join(dir, "c"))
		if err := top.VerifyGaps(t.Context(), 2); err != nil {
			t.Errorf("undamaged: %v", err)
		}
		at := open(t, path).headers
		flip(t, path, int64(at))
		var e *LinkError
		err := top.VerifyGaps(t.Context(), 2)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprintf("%#x is not zero", at)) ||
			errors.As(err, &e) != (name != "c") || e != nil && e.Path != name {
			t.Errorf("%s: %v", name, err)
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
