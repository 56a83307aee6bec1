package save

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"

	"ckpt/internal/image"
)

// scatteredPages is memory of ours, each page filled with its number, of which the
// pages in holes are not there and those in secret may not be read.
func scatteredPages(t *testing.T, pages int, holes, secret []int) []byte {
	t.Helper()
	m, err := syscall.Mmap(-1, 0, pages*pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(m) })
	for i := range m {
		m[i] = byte(i/pageSize + 1)
	}
	for _, page := range holes {
		if _, _, err := syscall.Syscall(syscall.SYS_MUNMAP, uintptr(addressOf(m))+uintptr(page*pageSize), pageSize, 0); err != 0 {
			t.Fatal(err)
		}
	}
	for _, page := range secret {
		if err := syscall.Mprotect(m[page*pageSize:(page+1)*pageSize], syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestScattered(t *testing.T) {
	t.Parallel()
	base := addressOf(scatteredPages(t, 3000, []int{11, 2001}, []int{500}))
	run := func(page, n int) image.Run {
		return image.Run{Start: base + uint64(page)*pageSize, Len: uint64(n) * pageSize}
	}
	var runs []image.Run
	var want []byte
	holes := map[uint64]int{}
	add := func(page, n, have int) {
		runs = append(runs, run(page, n))
		for i := range n {
			b := byte(0)
			if i < have {
				b = byte(page + i + 1)
			}
			want = append(want, bytes.Repeat([]byte{b}, pageSize)...)
		}
		if have < n {
			holes[base+uint64(page)*pageSize] = have * pageSize
		}
	}
	add(3, 1, 1)
	add(10, 3, 1)  // what is behind a hole is not read
	add(20, 8, 8)  // long
	add(499, 3, 3) // only /proc/PID/mem reads the one in the middle
	for page := 600; page < 2000; page += 2 {
		add(page, 1, 1)
	}
	add(2001, 1, 0)
	add(2003, 1, 1)
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	for _, refused := range []bool{false, true} {
		alone := 0 // calls for one run
		s := &scattered{pid: os.Getpid(), read: func(buf []byte, addr uint64) (int, error) {
			alone++
			n, _ := mem.ReadAt(buf, int64(addr))
			return n &^ (pageSize - 1), nil
		}}
		s.refused.Store(refused)
		got := make([]byte, len(want))
		missing := map[uint64]int{}
		if err := s.into(got, runs, func(r image.Run, have int) { missing[r.Start] = have }); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("refused %v: what was read is not what is there", refused)
		}
		if len(missing) != len(holes) || missing[run(10, 1).Start] != pageSize || missing[run(2001, 1).Start] != 0 {
			t.Errorf("refused %v: missing %v, not %v", refused, missing, holes)
		}
		if few := alone < 10; few == refused {
			t.Errorf("refused %v: %d runs were read one by one", refused, alone)
		}
	}
	broken := errors.New("broken")
	s := &scattered{pid: 1 << 30, read: func([]byte, uint64) (int, error) { return 0, broken }}
	if err := s.into(make([]byte, len(want)), runs, nil); !errors.Is(err, broken) || !s.refused.Load() {
		t.Errorf("of no process: %v, refused %v", err, s.refused.Load())
	}
}

// TestPages: newer copies take the place of older ones, and of what is missing there
// is none.
func TestPages(t *testing.T) {
	t.Parallel()
	m := scatteredPages(t, 8, []int{5}, nil)
	base := addressOf(m)
	at := func(page, n int) image.Run {
		return image.Run{Start: base + uint64(page)*pageSize, Len: uint64(n) * pageSize}
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	s := &scattered{pid: os.Getpid(), read: func(buf []byte, addr uint64) (int, error) {
		n, _ := mem.ReadAt(buf, int64(addr))
		return n &^ (pageSize - 1), nil
	}}
	p := newPages()
	var missing []image.Run
	short := func(r image.Run) { missing = append(missing, r) }
	if err := p.read(t.Context(), s, []image.Run{at(0, 2), at(3, 1)}, short); err != nil || len(missing) > 0 {
		t.Fatal(err, missing)
	}
	m[pageSize] = 99
	if err := p.read(t.Context(), s, []image.Run{at(1, 1), at(4, 2)}, short); err != nil || len(missing) != 1 || missing[0] != at(5, 1) {
		t.Fatal(err, missing)
	}
	if want := []image.Run{at(0, 2), at(3, 2)}; !slices.Equal(p.runs, want) {
		t.Errorf("there are %v, not %v", p.runs, want)
	}
	b := make([]byte, 2*pageSize)
	if n, err := p.ReadAt(b, int64(base)); n != len(b) || err != nil || b[0] != 1 || b[pageSize] != 99 || b[pageSize+1] != 2 {
		t.Errorf("%d bytes, error %v, begin %d %d", n, err, b[0], b[pageSize])
	}
	p.drop([]image.Run{at(1, 3)})
	if n, err := p.ReadAt(b, int64(base)); n != pageSize || err == nil {
		t.Errorf("%d bytes of a page and one that was dropped, error %v", n, err)
	}
}
