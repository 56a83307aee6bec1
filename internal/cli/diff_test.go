package cli

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"ckpt/internal/image"
)

// imageOf writes an image of the root of treeManifest with these areas, whose pages
// at the given addresses are full of one byte.
func imageOf(t *testing.T, name string, areas []image.Area, pages map[uint64]byte, change func(*image.Manifest)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	w, err := image.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	m := treeManifest()
	m.Processes = m.Processes[:1]
	m.Processes[0].Areas = areas
	change(m)
	var runs []image.Run
	for at := uint64(0x10000); at < 0x30000; at += page {
		if _, ok := pages[at]; ok {
			runs = append(runs, image.Run{Start: at, Len: page})
		}
	}
	if err := w.Layout(image.Layout{Processes: []image.Space{{Areas: areas, Runs: runs}}}); err != nil {
		t.Fatal(err)
	}
	for at, b := range pages {
		if err := w.Process(0).WriteMemory(at, bytes.Repeat([]byte{b}, page)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(m, image.CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDiff(t *testing.T) {
	t.Parallel()
	area := func(start, end image.Addr, name string) image.Area {
		return image.Area{Start: start, End: end, Kind: image.Anonymous, File: -1, Prot: 3, Flags: []string{}, Name: name}
	}
	a := imageOf(t, "a", []image.Area{area(0x10000, 0x14000, "[heap]"), area(0x20000, 0x22000, "")},
		map[uint64]byte{0x10000: 1, 0x11000: 2, 0x12000: 3, 0x21000: 4}, func(*image.Manifest) {})
	b := imageOf(t, "b", []image.Area{area(0x10000, 0x18000, "[heap]")},
		map[uint64]byte{0x10000: 1, 0x11000: 9, 0x13000: 3, 0x16000: 5}, func(m *image.Manifest) {
			p := &m.Processes[0]
			p.Threads = append(p.Threads[:1], image.Thread{TID: 4715, Comm: "new"})
			p.Descriptors = []image.Descriptor{{FD: 1, File: 0}, {FD: 7, File: 1}}
		})
	var d diffJSON
	out, _ := ckpt(t, exitOK, "diff", "--json", a, b)
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Schema != "ckpt/diff/1" || len(d.Processes) != 1 || len(d.Processes[0].Areas) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	if got, want := d.Processes[0].Memory, (diffMemory{0x4000 - 0x2000, 4 * page, page, 2 * page, 2 * page}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	out, _ = ckpt(t, exitOK, "diff", a, b)
	for _, want := range []string{
		"1 of 4 pages changed (4.0 KiB), 8.0 KiB new, 8.0 KiB gone\n", "descriptors  +7\n", "threads      +4715 -4712\n",
		"+16 KiB   4.0 KiB   8.0 KiB   4.0 KiB  [heap]\n", "-8.0 KiB         -         -   4.0 KiB  anon\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it says\n%swant %q", out, want)
		}
	}
	if out, _ = ckpt(t, exitOK, "diff", a, a); !strings.Contains(out, "memory       as much mapped, 0 of 4 pages changed") || strings.Contains(out, "heap") {
		t.Errorf("an image and itself: %s", out)
	}
	// What is kept is compared, too.
	if out, _ = ckpt(t, exitOK, "diff", filepath.Join(filepath.Dir(incrementalImage(t)), "a"), incrementalImage(t)); !strings.Contains(out, "1 of 4 pages changed") {
		t.Errorf("a chain: %s", out)
	}
	if _, errs := ckpt(t, exitNotFound, "diff", a, a+".none"); !strings.Contains(errs, "no such image") {
		t.Errorf("%q", errs)
	}
}
