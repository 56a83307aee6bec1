package tests

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ckpt/internal/image"
)

// rewriteImage makes another image of dir/myckpt, as a different host would
// have written it. change may change the manifest, but not the areas' places,
// and the memory of the areas that it asks for.
func rewriteImage(t *testing.T, dir string, change func(m *image.Manifest, memory func(*image.Area) []byte)) {
	t.Helper()
	path := filepath.Join(dir, "myckpt")
	im, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if im.Stats().Payload != 0 {
		t.Fatal("an image with content that is not memory can not be rewritten")
	}
	m := *im.Manifest()
	m.Processes = slices.Clone(m.Processes)
	p := &m.Processes[0]
	p.Threads = slices.Clone(p.Threads)
	p.Areas = slices.Clone(p.Areas)
	changed := map[image.Addr][]byte{} // by Area.Start
	change(&m, func(a *image.Area) []byte {
		b := make([]byte, a.Size())
		if err := im.Space(0).ReadMemory(uint64(a.Start), b); err != nil {
			t.Fatal(err)
		}
		changed[a.Start] = b
		return b
	})
	read := func(addr uint64, b []byte) {
		if err := im.Space(0).ReadMemory(addr, b); err != nil {
			t.Fatal(err)
		}
		for start, content := range changed {
			if from := uint64(start); from <= addr && addr < from+uint64(len(content)) {
				copy(b, content[addr-from:])
			}
		}
	}

	w, err := image.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	var runs []image.Run
	for i := range p.Areas {
		a := &p.Areas[i]
		for _, x := range im.Space(0).AppendPieces(nil, uint64(a.Start), uint64(a.End)) {
			runs = append(runs, image.Run{Start: x.Addr, Len: x.Len})
		}
	}
	if err := w.Layout(image.Layout{Processes: []image.Space{{Areas: p.Areas, Runs: runs}}}); err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		b := make([]byte, r.Len)
		read(r.Start, b)
		if err := w.Process(0).WriteMemory(r.Start, b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(&m, image.CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	// Like the image that was there.
	info, err := im.File().Stat()
	if err != nil {
		t.Fatal(err)
	}
	chownLike(t, path, info)
}

// chownLike gives a file the owner of another.
func chownLike(t *testing.T, path string, other os.FileInfo) {
	t.Helper()
	uid, gid := owner(other)
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}
