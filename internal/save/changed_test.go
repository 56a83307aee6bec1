package save

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"ckpt/internal/image"
)

// TestGivenBack: pages of a privately mapped file that the program gives back after they
// were copied are the file's again, whether they were read since or not.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	const pages = 8
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, bytes.Repeat([]byte{1}, pages*pageSize), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := syscall.Mmap(int(f.Fd()), 0, pages*pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(b)
	for at := 0; at < len(b); at += pageSize {
		b[at] = 2
	}
	w, start := ownWatch(t), addressOf(b)
	if err := w.add(start, start+uint64(len(b))); err != nil {
		t.Fatal(err)
	}
	if err := w.arm(start, start+uint64(len(b)), 0, func(_, _, _ uint64) {}); err != nil {
		t.Fatal(err)
	}
	const unread, read, written = 1, 3, 6
	for _, page := range []int{unread, read} {
		if err := syscall.Madvise(b[page*pageSize:(page+1)*pageSize], syscall.MADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
	}
	if b[read*pageSize] != 1 {
		t.Fatal("what was given back is not the file's")
	}
	b[written*pageSize] = 3

	run := func(page, n uint64) image.Run { return image.Run{Start: start + page*pageSize, Len: n * pageSize} }
	all := []image.Run{run(0, pages)}
	for _, c := range []struct {
		whole bool
		need  []image.Run
	}{
		{false, []image.Run{run(unread, 1), run(written, 1)}}, // the first may be swapped out
		{true, []image.Run{run(unread, 1), run(read, 1), run(written, 1)}},
	} {
		area := image.Area{Start: image.Addr(start), End: image.Addr(start + pages*pageSize), Kind: image.PrivateFile, Whole: c.whole}
		p := changesPart{area: &area, Run: all[0]}
		if err := p.scan(&ahead{watch: w, runs: all, private: all}, w, scanner(t)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.need, c.need) {
			t.Errorf("whole %v: needed are %x, want %x", c.whole, p.need, c.need)
		}
		if own := []image.Run{run(0, read), run(read+1, pages-read-1)}; !slices.Equal(p.private, own) {
			t.Errorf("whole %v: its own are %x, want %x", c.whole, p.private, own)
		}
	}
}
