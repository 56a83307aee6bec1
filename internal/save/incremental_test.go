package save

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// changing is a running program of testdata/changing.c.
func changing(t *testing.T, args ...string) *target {
	t.Helper()
	if err := watchable(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	return startProgram(t, nil, "changing", append([]string{filepath.Join(dir, "small"), filepath.Join(dir, "large")}, args...)...)
}

// change lets the program change its memory in so many ways.
func (g *target) change(n int) {
	g.t.Helper()
	if _, err := fmt.Fprintf(g.stdin.(io.Writer), "%d %d\n", n, rand.Uint32()); err != nil {
		g.t.Fatal(err)
	}
	if l := g.line(); l != "done" {
		g.t.Fatalf("the program said %q", l)
	}
}

// saveOnTop saves incrementally, and says whether the image goes on from another.
func saveOnTop(t *testing.T, g *target, path string) *Result {
	t.Helper()
	o := options(g, path)
	o.Incremental = true
	r, err := Save(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if (r.Parent == nil) != (r.Whole != nil) {
		t.Errorf("on top of %v, because of %v", r.Parent, r.Whole)
	}
	return r
}

// sameMemory compares the memory in two images of processes that have done nothing
// in between.
func sameMemory(t *testing.T, a, b string) {
	t.Helper()
	im, other := opened(t, a), opened(t, b)
	if err := im.Verify(context.Background(), 2, nil); err != nil {
		t.Fatal(err)
	}
	if n, m := len(im.Manifest().Processes), len(other.Manifest().Processes); n != m {
		t.Fatalf("%d and %d processes", n, m)
	}
	for i := range im.Manifest().Processes {
		areas, others := im.Process(i).Areas, other.Process(i).Areas
		thread := &im.Process(i).Threads[0]
		for j := range areas {
			a := &areas[j]
			for at := uint64(a.Start); at < uint64(a.End); at += pageSize {
				// Neighbours can have become one, since both are watched.
				b := areaAt(others, at)
				if b == nil || b.Kind != a.Kind || b.Prot != a.Prot || b.Name != a.Name || !slices.Equal(a.Flags, b.Flags) {
					t.Fatalf("process %d: %#x is in %+v, and %+v", i, at, a, b)
				}
				samePage(t, im.Space(i), other.Space(i), a, b, at, thread)
			}
		}
		if end, want := areas[len(areas)-1].End, others[len(others)-1].End; end != want {
			t.Fatalf("process %d: areas end at %s, and %s", i, end, want)
		}
	}
}

// samePage compares a page, without what nobody can rely on: what is below the red
// zone of the stack pointer, and the number of the processor.
func samePage(t *testing.T, is, want image.SpaceReader, a, b *image.Area, at uint64, thread *image.Thread) {
	t.Helper()
	const redZone = 128
	p, q := make([]byte, pageSize), make([]byte, pageSize)
	if err := errors.Join(restored(is, a, at, p), restored(want, b, at, q)); err != nil {
		t.Fatal(err)
	}
	if cpu := thread.Rseq.Area; cpu&^(pageSize-1) == at {
		clear(p[cpu-at : cpu-at+32])
		clear(q[cpu-at : cpu-at+32])
	}
	if rsp := thread.Regs.Rsp; uint64(a.Start) <= rsp && rsp < uint64(a.End) {
		free := min(max(rsp-redZone, at)-at, pageSize)
		clear(p[:free])
		clear(q[:free])
	}
	for i := range p {
		if p[i] != q[i] {
			t.Fatalf("%#x of %s (%s-%s, %s) is %#x, want %#x", at+uint64(i), a.Name, a.Start, a.End, a.Kind, p[i], q[i])
		}
	}
}

// restored gives what a restore will have at an address: what is not saved of a
// mapped file is read from there.
func restored(space image.SpaceReader, a *image.Area, at uint64, p []byte) error {
	if a.Kind != image.PrivateFile || len(space.AppendPieces(nil, at, at+pageSize)) > 0 {
		return space.ReadMemory(at, p)
	}
	f, err := os.Open(a.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	clear(p)
	if _, err = f.ReadAt(p, int64(a.Offset+at-uint64(a.Start))); err == io.EOF {
		err = nil
	}
	return err
}

func opened(t *testing.T, path string) *image.Image {
	t.Helper()
	im, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

// TestIncremental: whatever a program does to its memory, an incremental image shows
// it as a complete one of the same moment does.
func TestIncremental(t *testing.T) {
	t.Parallel()
	for range 3 {
		g := changing(t)
		dir := t.TempDir()
		path, whole := filepath.Join(dir, "myckpt"), filepath.Join(dir, "whole")
		onTop := 0
		for n := range 20 {
			g.change([]int{1, 10, 100}[n%3])
			r := saveOnTop(t, g, path)
			if r.Parent != nil {
				onTop++
			}
			if _, err := Save(context.Background(), options(g, whole)); err != nil {
				t.Fatal(err)
			}
			sameMemory(t, path, whole)
		}
		if onTop < 10 {
			t.Errorf("only %d of 20 images go on from others", onTop)
		}
		if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > mostLinks {
			t.Errorf("%d images are kept: %v", len(left), err)
		}
	}
}

// TestNothingWritten: an image of a program that has done nothing since has next to
// nothing in it, and nothing of it is to be seen in the next one.
func TestNothingWritten(t *testing.T) {
	t.Parallel()
	g := changing(t)
	g.change(300)
	path := filepath.Join(t.TempDir(), "myckpt")
	first := saveOnTop(t, g, path)
	second := saveOnTop(t, g, path)
	if first.Whole == nil || !strings.Contains(first.Whole.Error(), "the first") || second.Parent == nil || second.Stats.Memory > first.Stats.Memory/4 || second.NoTwin != nil {
		t.Errorf("%v, then %v with %d bytes, %v", first.Whole, second.Whole, second.Stats.Memory, second.NoTwin)
	}
	for _, f := range second.Manifest.Files {
		if strings.Contains(f.Path, markerName) || strings.Contains(f.Path, "userfaultfd") {
			t.Errorf("%s is in the image", f.Path)
		}
	}
	if r, err := Check(g.pid, nil); err != nil || len(r.Obstacles)+len(r.Warnings) > 0 {
		t.Errorf("check: %v %v", r, err)
	}
}

// TestUnused: memory that was never used costs nothing: no page tables, and no time in
// a complete image of a process that is watched.
func TestUnused(t *testing.T) {
	t.Parallel()
	g := changing(t, "unused")
	path := filepath.Join(t.TempDir(), "myckpt")
	for range 3 {
		saveOnTop(t, g, path)
		var tables int
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.pid))
		if _, after, found := strings.Cut(string(status), "VmPTE:"); err != nil || !found {
			t.Fatal(err)
		} else if _, err := fmt.Sscan(after, &tables); err != nil || tables > 1024 {
			t.Errorf("%d KiB of page tables, %v", tables, err)
		}
		g.change(1)
	}
	if r, err := Save(context.Background(), options(g, path)); err != nil || r.Stats.ZeroSkipped > 64<<20 {
		t.Errorf("%d bytes of zeros were looked at, %v", r.Stats.ZeroSkipped, err)
	}
}

// TestComplete: the image is complete, and says why, when the last one can not be
// used; and the next one goes on from it.
func TestComplete(t *testing.T) {
	t.Parallel()
	g := changing(t)
	g.change(100)
	path := filepath.Join(t.TempDir(), "myckpt")
	saveOnTop(t, g, path)
	for why, do := range map[string]func() error{
		"no such file": func() error { return os.Remove(path) },
		"is another image": func() error {
			_, err := Save(context.Background(), options(g, path))
			return err
		},
		"damaged image": func() error { return os.Truncate(path, 200) },
		"the last save was not completed": func() error {
			all, err := findHeld(proc.Host().Process(g.pid))
			if err != nil || len(all) != 1 {
				return fmt.Errorf("%d markers, %w", len(all), err)
			}
			defer closeHeld(all)
			return all[0].name(nil)
		},
	} {
		if r := saveOnTop(t, g, path); r.Parent == nil {
			t.Fatalf("before %q: %v", why, r.Whole)
		}
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if r := saveOnTop(t, g, path); r.Whole == nil || !strings.Contains(r.Whole.Error(), why) {
			t.Errorf("%v, want %q", r.Whole, why)
		}
		verified(t, path)
	}
}
