package save

import (
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

type span struct{ start, end uint64 }

// reserve maps n pages of this process, private and untouched.
func reserve(t *testing.T, n int) []byte {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, n*pageSize, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(b) })
	return b
}

func scanner(t *testing.T) *pageScanner {
	t.Helper()
	s, err := newPageScanner(proc.Host().Process(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// found lists what f visits, with neighbours joined: the kernel splits runs
// where it likes.
func found(t *testing.T, f func(start, end uint64, visit func(start, end uint64)) error, start, end uint64) []span {
	t.Helper()
	var out []span
	err := f(start, end, func(a, b uint64) {
		if n := len(out); n > 0 && out[n-1].end == a {
			out[n-1].end = b
			return
		}
		out = append(out, span{a, b})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPrivatePages: PAGEMAP_SCAN and reading page by page find the pages that
// were written to, and no others.
func TestPrivatePages(t *testing.T) {
	t.Parallel()
	const pages = 40000 // more than one buffer of either way
	for name, advice := range map[string]int{"small pages": syscall.MADV_NOHUGEPAGE, "huge pages": syscall.MADV_HUGEPAGE} {
		b := reserve(t, pages)
		if err := syscall.Madvise(b, advice); err != nil && err != syscall.EINVAL {
			t.Fatal(err)
		}
		from := addressOf(b)
		random := rand.New(rand.NewPCG(1, 2))
		var written [pages]bool
		for range 9000 {
			page := random.IntN(pages)
			b[page*pageSize], written[page] = 1, true
		}
		s := scanner(t)
		for _, r := range [][2]int{{0, pages}, {1000, 1001}, {777, 39000}} {
			start, end := from+uint64(r[0])*pageSize, from+uint64(r[1])*pageSize
			want := found(t, s.read, start, end)
			if advice == syscall.MADV_NOHUGEPAGE {
				var exact []span
				for i := r[0]; i < r[1]; i++ {
					at := from + uint64(i)*pageSize
					if n := len(exact); n > 0 && written[i] && exact[n-1].end == at {
						exact[n-1].end += pageSize
					} else if written[i] {
						exact = append(exact, span{at, at + pageSize})
					}
				}
				if !slices.Equal(want, exact) {
					t.Errorf("%s: %d runs by reading, %d were written", name, len(want), len(exact))
				}
			}
			if got := found(t, s.private, start, end); !slices.Equal(got, want) {
				t.Errorf("%s: %d runs by PAGEMAP_SCAN, %d by reading", name, len(got), len(want))
			}
		}
	}
}

// TestZeroPages: the shared zero page is nothing to save, which only
// PAGEMAP_SCAN can tell.
func TestZeroPages(t *testing.T) {
	t.Parallel()
	b := reserve(t, 4)
	if err := syscall.Madvise(b, syscall.MADV_NOHUGEPAGE); err != nil && err != syscall.EINVAL {
		t.Fatal(err)
	}
	if b[pageSize]+b[2*pageSize] != 0 { // reading is what maps it
		t.Fatal("new memory is not zero")
	}
	b[3*pageSize] = 1
	s := scanner(t)
	from := addressOf(b)
	if got := found(t, s.private, from, from+4*pageSize); !slices.Equal(got, []span{{from + 3*pageSize, from + 4*pageSize}}) && !s.noScan {
		t.Errorf("found %x", got)
	}
	if got := found(t, s.read, from, from+4*pageSize); !slices.Equal(got, []span{{from + pageSize, from + 4*pageSize}}) {
		t.Errorf("read %x", got)
	}
}

// TestSmall: what is in small pages is counted, up to what is enough.
func TestSmall(t *testing.T) {
	t.Parallel()
	const pages = 3000
	b := reserve(t, pages)
	if err := syscall.Madvise(b, syscall.MADV_NOHUGEPAGE); err != nil && err != syscall.EINVAL {
		t.Fatal(err)
	}
	const touched = pages / 3
	for i := 0; i < pages; i += 3 {
		b[i*pageSize] = 1
	}
	s, from := scanner(t), addressOf(b)
	s.gentle = true
	end := from + uint64(len(b))
	if n, err := s.small(from, end, 1<<40); err != nil || n != touched*pageSize {
		t.Errorf("%d bytes are in small pages instead of %d, error %v", n, touched*pageSize, err)
	}
	for _, enough := range []uint64{1, 10 * pageSize, touched * pageSize} {
		if n, err := s.small(from, end, enough); err != nil || n < enough {
			t.Errorf("%d bytes are in small pages where %d are enough, error %v", n, enough, err)
		}
	}
	if n, err := s.small(from+pageSize, from+3*pageSize, 1); err != nil || n != 0 {
		t.Errorf("%d bytes of what was never touched are in small pages, error %v", n, err)
	}
}

// TestOthers: the kernel is asked for pages of files wherever there may be some, as in
// memory that is mapped from an image.
func TestOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		area image.Area
		want uint64
	}{
		{image.Area{Kind: image.Anonymous}, sys.PageZero},
		{image.Area{Kind: image.Anonymous, Name: "[heap]"}, sys.PageZero},
		{image.Area{Kind: image.Anonymous, Name: "[stack]"}, sys.PageZero},
		{image.Area{Kind: image.Anonymous, Name: "[anon:a name]"}, sys.PageZero},
		{image.Area{Kind: image.Anonymous, Whole: true}, notPrivate},
		{image.Area{Kind: image.Anonymous, Name: "/dev/zero"}, notPrivate},
		{image.Area{Kind: image.Anonymous, Name: "[uprobes]"}, notPrivate},
		{image.Area{Kind: image.PrivateFile, Name: "[heap]"}, notPrivate},
	} {
		if got := others(&c.area); got != c.want {
			t.Errorf("%s, %q, whole %v: %#x, want %#x", c.area.Kind, c.area.Name, c.area.Whole, got, c.want)
		}
	}
}

// TestNoScan: on a kernel without PAGEMAP_SCAN the answer is the same.
func TestNoScan(t *testing.T) {
	t.Parallel()
	b := reserve(t, 20000)
	for _, page := range []int{0, 1, 2, 8191, 8192, 8193, 19999} { // a buffer has 8192 entries
		b[page*pageSize] = 1
	}
	s, old := scanner(t), scanner(t)
	old.noScan = true
	from, to := addressOf(b), addressOf(b)+uint64(len(b))
	got, want := found(t, old.private, from, to), found(t, s.private, from, to)
	if !slices.Equal(got, want) || len(got) == 0 || got[len(got)-1].end != to || got[0].start != from {
		t.Errorf("by reading %v, by PAGEMAP_SCAN %v", got, want)
	}
	if s.noScan {
		t.Log("this kernel has no PAGEMAP_SCAN")
	}
	if got := found(t, old.private, from+3*pageSize, from+8191*pageSize); got != nil {
		t.Errorf("untouched pages found: %v", got)
	}
}

// TestSparse: a huge reservation is looked through at once and costs nothing.
func TestSparse(t *testing.T) {
	t.Parallel()
	b, err := syscall.Mmap(-1, 0, 256<<30, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		t.Skipf("no 256 GiB of address space: %v", err)
	}
	defer syscall.Munmap(b)
	if err := syscall.Madvise(b, syscall.MADV_NOHUGEPAGE); err != nil && err != syscall.EINVAL {
		t.Fatal(err)
	}
	b[200<<30] = 1
	from := addressOf(b)
	want := []span{{from + 200<<30, from + 200<<30 + pageSize}}
	if got := found(t, scanner(t).private, from, from+256<<30); !slices.Equal(got, want) {
		t.Errorf("found %x, want %x", got, want)
	}
}

// TestFindRuns: which pages of which area go into the image.
func TestFindRuns(t *testing.T) {
	t.Parallel()
	b := reserve(t, 8)
	b[2*pageSize], b[3*pageSize] = 1, 1
	from := image.Addr(addressOf(b))
	all := []image.Run{{Start: uint64(from), Len: 8 * pageSize}}
	dirty := []image.Run{{Start: uint64(from) + 2*pageSize, Len: 2 * pageSize}}
	for _, c := range []struct {
		kind  image.AreaKind
		whole bool
		want  []image.Run
	}{
		{image.Anonymous, false, dirty},
		{image.PrivateFile, false, dirty},
		{image.PrivateFile, true, all},
		{image.SharedAnonymous, false, all},
		{image.SharedFile, false, nil},
		{image.SharedFile, true, all},
		{image.VDSO, false, all},
		{image.VVar, false, nil},
	} {
		areas := []image.Area{{Start: from, End: from + 8*pageSize, Kind: c.kind, Whole: c.whole}}
		got, err := findRuns(scanner(t).inArea, areas, false)
		if err != nil || !slices.Equal(joined(got), c.want) {
			t.Errorf("%s, whole %v: %v, error %v", c.kind, c.whole, got, err)
		}
		if d := areas[0].Dirty; c.kind == image.PrivateFile && c.whole &&
			(len(d) == 0 || d[0].Start != from+2*pageSize || d[len(d)-1].End != from+4*pageSize) {
			t.Errorf("dirty: %v", d)
		}
	}
}

func joined(runs []image.Run) (out []image.Run) {
	for _, r := range runs {
		if n := len(out); n > 0 && out[n-1].Start+out[n-1].Len == r.Start {
			out[n-1].Len += r.Len
			continue
		}
		out = append(out, r)
	}
	return out
}
