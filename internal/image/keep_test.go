package image

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// follow writes an image to path that goes on from the one that is there, or from
// another one; whole: it is complete in itself, and goes on from nothing.
func follow(t *testing.T, path string, n int, from string, whole bool) {
	t.Helper()
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	m := sample()
	m.ID = id(n)
	m.Processes[0].Areas = []Area{{Start: 0x10000, End: 0x11000, Kind: Anonymous, File: -1}}
	layout := one(m.Processes[0].Areas, nil)
	if !whole {
		parent := open(t, from)
		if err := parent.Hold(); err != nil {
			t.Fatal(err)
		}
		if m.Parent, err = w.GoesOnFrom(parent); err != nil {
			t.Fatal(err)
		}
		layout.Processes[0].Kept = []Run{{0x10000, 0x1000}}
		defer parent.Close()
	}
	if err := w.Layout(layout); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(m, CommitOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestKeptImages: an image that takes the place of its parent keeps it, for as long
// as something in the directory goes on from it.
func TestKeptImages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, other := filepath.Join(dir, "myckpt"), filepath.Join(dir, "other")
	kept := func(n int) string { return KeptName("myckpt", id(n)) }
	there := func(want ...string) {
		t.Helper()
		slices.Sort(want)
		if got := files(t, path); !slices.Equal(got, want) {
			t.Fatalf("there are %q, want %q", got, want)
		}
		for _, name := range want {
			if name != "notes.txt" && name != ".myckpt.tmp" {
				open(t, filepath.Join(dir, name)).Close()
			}
		}
	}
	follow(t, path, 0, "", true)
	follow(t, path, 1, path, false)
	follow(t, path, 2, path, false)
	there("myckpt", kept(0), kept(1))
	// One beside it that goes on from the one in the middle, and a file that is none.
	follow(t, other, 3, filepath.Join(dir, kept(1)), false)
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	follow(t, path, 4, "", true)
	there("myckpt", kept(0), kept(1), "other", "notes.txt")
	// What somebody holds stays; what nobody needs goes.
	held := open(t, other)
	if err := held.Hold(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	follow(t, path, 5, "", true)
	there("myckpt", kept(0), kept(1), "notes.txt")
	held.Close()
	follow(t, path, 6, "", true)
	there("myckpt", "notes.txt")
	// An image that is given up leaves nothing.
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := w.GoesOnFrom(open(t, path)); err != nil || p.Path != kept(6) {
		t.Fatalf("%+v, %v", p, err)
	}
	there(".myckpt.tmp", "myckpt", kept(6), "notes.txt")
	w.Abort()
	there("myckpt", "notes.txt")
	// One in another directory says where.
	sub := filepath.Join(dir, "sub")
	if err := errors.Join(os.Mkdir(sub, 0o700), os.Remove(filepath.Join(dir, "notes.txt"))); err != nil {
		t.Fatal(err)
	}
	follow(t, filepath.Join(sub, "x"), 7, path, false)
	if im := open(t, filepath.Join(sub, "x")); im.Manifest().Parent.Path != "../myckpt" || !im.Parent().SameFile(stat(t, path)) {
		t.Errorf("%+v", im.Manifest().Parent)
	}
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}
