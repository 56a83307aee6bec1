package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ckpt/internal/image"
)

// incrementalImage writes an image of four pages, and one beside it that keeps
// three of them, whose path it returns.
func incrementalImage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	areas := []image.Area{{Start: 0x10000, End: 0x14000, Kind: image.Anonymous, File: -1, Prot: 3, Flags: []string{}, Name: "[heap]"}}
	write := func(name string, space image.Space, parent *image.Parent) {
		path := filepath.Join(dir, name)
		w, err := image.Create(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		m := treeManifest()
		m.Processes, m.Objects, m.ID, m.Parent = m.Processes[:1], nil, strings.Repeat(name, 32), parent
		m.Processes[0].Areas, space.Areas = areas, areas
		if err := w.Layout(image.Layout{Processes: []image.Space{space}}); err != nil {
			t.Fatal(err)
		}
		for _, r := range space.Runs {
			if err := w.Process(0).WriteMemory(r.Start, bytes.Repeat([]byte(name), int(r.Len))); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Commit(m, image.CommitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	write("a", image.Space{Runs: []image.Run{{Start: 0x10000, Len: 0x4000}}}, nil)
	im, err := image.Open(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	write("b", image.Space{Runs: []image.Run{{Start: 0x11000, Len: 0x1000}}, Kept: []image.Run{{Start: 0x10000, Len: 0x1000}, {Start: 0x12000, Len: 0x2000}}},
		&image.Parent{ID: im.Manifest().ID, Seal: im.Seal(), Path: "a"})
	return filepath.Join(dir, "b")
}

func TestFlatten(t *testing.T) {
	t.Parallel()
	path := incrementalImage(t)
	parent := filepath.Join(filepath.Dir(path), "a")
	out, _ := ckpt(t, exitOK, "show", path)
	for _, want := range []string{"goes on    from " + parent + ",", "with 16 KiB of memory, id aaaa", "4.0 KiB saved, 12 KiB in the images it goes on from"} {
		if !strings.Contains(out, want) {
			t.Errorf("show says\n%s\nwant %q", out, want)
		}
	}
	var shown showJSON
	out, _ = ckpt(t, exitOK, "show", "--json", path)
	if err := json.Unmarshal([]byte(out), &shown); err != nil || len(shown.Parents) != 1 || shown.Memory.Kept != 3*page || shown.Memory.Saved != page {
		t.Errorf("%v: %s", err, out)
	}
	flat := filepath.Join(t.TempDir(), "flat")
	if out, _ = ckpt(t, exitOK, "flatten", "-o", flat, path); out != flat+": 16 KiB of 2 images in one\n" {
		t.Errorf("it says %q", out)
	}
	if err := os.Rename(parent, parent+".away"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"show", path}, {"verify", path}, {"flatten", path}, {"core", path}, {"plan", path}} {
		if _, errs := ckpt(t, exitNotFound, args...); !strings.Contains(errs, "goes on from image a (aaaaaaaaaaaa): it is not there") || !strings.Contains(errs, "ckpt flatten") {
			t.Errorf("%q: %q", args, errs)
		}
	}
	if err := os.Truncate(parent+".away", 1000); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(parent+".away", parent); err != nil {
		t.Fatal(err)
	}
	if _, errs := ckpt(t, exitDamaged, "verify", path); !strings.Contains(errs, "goes on from image a") {
		t.Errorf("%q", errs)
	}
	ckpt(t, exitOK, "verify", flat)
	// In its own place, again and again.
	var d flattenJSON
	out, _ = ckpt(t, exitOK, "flatten", "--json", flat)
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Schema != "ckpt/flatten/1" || d.Parents != 0 || d.Memory != 4*page || d.Output != flat {
		t.Errorf("%v: %s", err, out)
	}
	if _, errs := ckpt(t, exitUsage, "flatten", "-o", "", flat); !strings.Contains(errs, "is empty") {
		t.Errorf("%q", errs)
	}
}
