package save

import (
	"encoding/binary"
	"os"
	"strconv"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// aheadOptions are options for a small program to be copied ahead as a large one.
func aheadOptions(g *target, path string) Options {
	o := options(g, path)
	o.AheadLeast = 1 << 20
	return o
}

// savedAhead saves a program that is to be copied ahead, and opens the image.
func savedAhead(t *testing.T, g *target) *image.Image {
	t.Helper()
	path := destination(t)
	result, err := Save(t.Context(), aheadOptions(g, path))
	if err != nil {
		t.Fatal(err)
	}
	if !result.Ahead {
		t.Fatalf("nothing was copied ahead: %v", result.NotAhead)
	}
	verified(t, path)
	im, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

// TestRestless: memory that was written to, given back, mapped anew and moved while
// it was copied is in the image as it was at one moment.
func TestRestless(t *testing.T) {
	t.Parallel()
	restless(t)
}

// TestRestlessMuch: the same where the program writes more than is kept.
func TestRestlessMuch(t *testing.T) {
	old := keptMost
	keptMost = 256 << 10
	defer func() { keptMost = old }()
	restless(t)
}

func restless(t *testing.T) {
	t.Helper()
	const base, notes, n = 0x200000000, 0x300000000, 8192
	places := [2]uint64{0x280000000, 0x290000000}
	g := start(t, "restless")
	g.line() // it has memory now
	for range 5 {
		im := savedAhead(t, g)
		note := make([]byte, 8*(4+n+1))
		if err := im.Space(0).ReadMemory(notes, note); err != nil {
			t.Fatal(err)
		}
		word := func(i uint64) uint64 { return binary.LittleEndian.Uint64(note[8*i:]) }
		page, held := make([]byte, pageSize), 0
		check := func(i, addr uint64) {
			if word(0) <= i && i < word(1) {
				return // it is between two states
			}
			if err := im.Space(0).ReadMemory(addr, page); err != nil {
				t.Fatal(err)
			}
			for at := 0; at < pageSize; at += 512 {
				if v := binary.LittleEndian.Uint64(page[at:]); v != word(4+i) {
					t.Fatalf("in round %d, page %d at %d holds %d instead of %d", word(2), i, at, v, word(4+i))
				}
			}
			if word(4+i) != 0 {
				held++
			}
		}
		for i := range uint64(n) {
			check(i, base+i*pageSize)
		}
		for i := range uint64(16) {
			check(n, places[word(3)]+i*pageSize)
		}
		if held < n/10 {
			t.Fatalf("only %d pages of %d hold anything", held, n)
		}
		im.Close()
	}
	g.line()
}

// TestAheadLeavesNothing: a program that is copied ahead has no descriptor, mapping
// or child more than before, and its memory is watched by nobody.
func TestAheadLeavesNothing(t *testing.T) {
	t.Parallel()
	g := start(t)
	before := g.trace()
	savedAhead(t, g)
	g.untouched(before)
	vmas, err := proc.Host().Process(g.pid).Smaps()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vmas {
		for _, f := range v.VmFlags {
			if f == "uw" || f == "um" {
				t.Errorf("%#x-%#x %s is still watched", v.Start, v.End, v.Path)
			}
		}
	}
}

// TestShadow: memory that is copied ahead is written by a process that shares it and
// that ends with that; and it is right all the same where there can be no such one.
func TestShadow(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]bool{"large": true, "large-subreaper": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			g := start(t, mode)
			before := g.trace()
			path := destination(t)
			o, found := aheadOptions(g, path), 0
			o.Progress = func(done, total int64) {
				if found == 0 {
					found = shadowOf(t, g.pid)
				}
			}
			r, err := Save(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Ahead {
				t.Errorf("nothing was copied ahead: %v", r.NotAhead)
			}
			if want != (found > 0) {
				t.Errorf("shadow %d, want one: %v", found, want)
			}
			if other := shadowOf(t, g.pid); other != 0 {
				t.Errorf("process %d still shares the memory", other)
			}
			verified(t, path)
			holdsWords(t, path)
			g.untouched(before)
		})
	}
}

// shadowOf finds a process that shares the memory of another, 0 if there is none.
func shadowOf(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		other, err := strconv.Atoi(e.Name())
		if err != nil || other == pid {
			continue
		}
		if shared, err := sys.Shared(pid, other, sys.ShareMemory); err == nil && shared {
			return other
		}
	}
	return 0
}

// TestNotAhead: what the kernel does not let us watch is saved all the same, and it
// is said why that takes longer.
func TestNotAhead(t *testing.T) {
	old := watchKernel
	watchKernel = [2]int{1 << 20, 0}
	defer func() { watchKernel = old }()
	g := start(t)
	path := destination(t)
	result, err := Save(t.Context(), aheadOptions(g, path))
	if err != nil {
		t.Fatal(err)
	}
	if result.Ahead || result.NotAhead == nil || result.NoTwin != nil {
		t.Errorf("copied ahead: %v, %v, no twin: %v", result.Ahead, result.NotAhead, result.NoTwin)
	}
	verified(t, path)
	g.works()
}

// TestUneven: of a tree that has little memory altogether, a process is copied ahead
// that alone has much. What it has written since is in the image as well.
func TestUneven(t *testing.T) {
	t.Parallel()
	const base, pages = 0x300000000, 1024
	g := startProgram(t, nil, "tree", "uneven", "4")
	for range 3 {
		im := savedAhead(t, g)
		word := func(page uint64) uint64 {
			b := make([]byte, 8)
			if err := im.Space(0).ReadMemory(base+page*pageSize, b); err != nil {
				t.Fatal(err)
			}
			return binary.LittleEndian.Uint64(b)
		}
		last := word(0)
		for i := range uint64(pages) {
			want := last - (last-i)%pages
			if got := word(1 + i); got != want && i != last%pages { // it may be about to write to that one
				t.Fatalf("page %d has %d at %d, want %d", i, got, last, want)
			}
		}
	}
}
