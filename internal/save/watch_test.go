package save

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// ownWatch watches memory of this very process.
func ownWatch(t *testing.T) *watch {
	t.Helper()
	if err := watchable(); err != nil {
		t.Fatal(err)
	}
	fd, _, errno := syscall.Syscall(abi.SysUserfaultfd, userfaultfdFlags, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	if err := sys.UserfaultfdAsync(int(fd)); err != nil {
		t.Fatal(err)
	}
	w, err := adoptWatch(proc.Host().Process(os.Getpid()), int(fd))
	if err != nil {
		t.Fatal(err)
	}
	syscall.Close(int(fd))
	t.Cleanup(w.Close)
	return w
}

// watched is memory of n pages that is watched and armed.
func watched(t *testing.T, w *watch, n int) (b []byte, start uint64) {
	t.Helper()
	b = reserve(t, n)
	start = addressOf(b)
	if err := w.add(start, start+uint64(len(b))); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(b); i += pageSize {
		b[i] = 1
	}
	if got := armAll(t, w, b); got != n {
		t.Fatalf("%d of %d pages are armed", got, n)
	}
	return b, start
}

func armAll(t *testing.T, w *watch, b []byte) (pages int) {
	t.Helper()
	start := addressOf(b)
	err := w.arm(start, start+uint64(len(b)), notPrivate, func(start, end, categories uint64) {
		if categories&sys.PagePresent == 0 || categories&(sys.PageFile|sys.PageZero) != 0 {
			t.Errorf("pages %#x-%#x are %#x", start, end, categories)
		}
		pages += int(end-start) / pageSize
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// writtenPages lists what was written to, by the numbers of pages.
func writtenPages(t *testing.T, w *watch, b []byte, again bool) (pages []int) {
	t.Helper()
	base := addressOf(b)
	err := w.written(base, base+uint64(len(b)), again, func(start, end uint64) {
		for ; start < end; start += pageSize {
			pages = append(pages, int(start-base)/pageSize)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// TestWatch: whatever writes to a page is noticed, once if it is armed again, and
// nothing else is.
func TestWatch(t *testing.T) {
	t.Parallel()
	w := ownWatch(t)
	b, start := watched(t, w, 5000)
	if got := writtenPages(t, w, b, false); len(got) > 0 {
		t.Errorf("written without a write: %v", got)
	}
	b[7*pageSize] = 2
	b[4999*pageSize+5] = 2
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(b[100*pageSize : 100*pageSize+8]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := writtenPages(t, w, b, true); !slices.Equal(got, []int{7, 100, 4999}) {
			t.Errorf("written are %v", got)
		}
		b[7*pageSize], b[100*pageSize], b[4999*pageSize] = 3, 3, 3
	}
	if got := writtenPages(t, w, b, true); !slices.Equal(got, []int{7, 100, 4999}) {
		t.Errorf("written the second time are %v", got)
	}
	if got := writtenPages(t, w, b, false); len(got) > 0 {
		t.Errorf("written, and armed since: %v", got)
	}
	if err := w.remove(start, start+uint64(len(b))); err != nil {
		t.Fatal(err)
	}
	if err := w.written(start, start+pageSize, false, func(start, end uint64) {}); !errors.Is(err, errUnwatched) {
		t.Errorf("what is not watched any more: %v", err)
	}
}

// TestWatchGone: pages that were given back are noticed, as written or because no
// page of their table is armed; so are those that come new.
func TestWatchGone(t *testing.T) {
	t.Parallel()
	w := ownWatch(t)
	const n = 4 * tableSize / pageSize
	b, start := watched(t, w, n)
	give := func(from, to int) {
		if err := syscall.Madvise(b[from*pageSize:to*pageSize], syscall.MADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
	}
	give(3, 5)
	if got := writtenPages(t, w, b, false); !slices.Equal(got, []int{3, 4}) {
		t.Errorf("given back are %v", got)
	}
	give(0, n)
	gone := map[int]bool{}
	for _, p := range writtenPages(t, w, b, false) {
		gone[p] = true
	}
	for p := range n {
		armed, err := w.armed(start + uint64(p)*pageSize)
		if err != nil {
			t.Fatal(err)
		}
		if armed && !gone[p] {
			t.Fatalf("page %d is armed and not written, but was given back", p)
		}
	}
	b[50*pageSize] = 1
	if got := writtenPages(t, w, b, false); !slices.Contains(got, 50) {
		t.Errorf("a new page is not among %v", got)
	}
}

// TestWatchLost: memory that is mapped anew, moved or added is not taken for
// watched.
func TestWatchLost(t *testing.T) {
	t.Parallel()
	w := ownWatch(t)
	b, start := watched(t, w, 16)
	if _, _, errno := syscall.Syscall6(syscall.SYS_MMAP, uintptr(start), 4*pageSize, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_FIXED|syscall.MAP_PRIVATE|syscall.MAP_ANON, ^uintptr(0), 0); errno != 0 {
		t.Fatal(errno)
	}
	for _, c := range []struct {
		from, to int
		want     error
	}{{0, 4, errUnwatched}, {4, 16, nil}, {0, 16, errUnwatched}} {
		err := w.written(start+uint64(c.from*pageSize), start+uint64(c.to*pageSize), false, func(start, end uint64) {
			t.Errorf("%#x-%#x are written", start, end)
		})
		if !errors.Is(err, c.want) {
			t.Errorf("pages %d to %d: %v", c.from, c.to, err)
		}
	}
	_ = b
}

// TestWatchLeavesNothing: a watch made from outside leaves no descriptor, child
// or mapping in the process, also none that is seen while it works.
func TestWatchLeavesNothing(t *testing.T) {
	t.Parallel()
	g := start(t, "large")
	before := g.trace()
	const base, size = 0x200000000, 1 << 20
	err := onOwnThread(func() error {
		w, err := watchOf(g.pid)
		if err != nil {
			return err
		}
		defer w.Close()
		if now := g.trace(); now != before {
			t.Errorf("something is left in the process: %+v, before: %+v", now, before)
		}
		if err := w.add(base, base+size); err != nil {
			return err
		}
		pages := 0
		err = w.arm(base, base+size, 0, func(start, end, _ uint64) { pages += int(end-start) / pageSize })
		if err != nil || pages != size/pageSize {
			t.Errorf("%d pages are armed: %v", pages, err)
		}
		return w.written(base, base+size, false, func(start, end uint64) { t.Errorf("%#x-%#x are written", start, end) })
	})
	if err != nil {
		t.Fatal(err)
	}
	g.untouched(before)
}

// watchOf makes a watch as a save does.
func watchOf(pid int) (w *watch, err error) {
	p := proc.Host().Process(pid)
	th, err := ptrace.Seize(pid)
	if err != nil {
		return nil, err
	}
	if err := th.Stop(10 * time.Second); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, th.Detach()) }()
	mem, err := os.OpenFile(p.Path("mem"), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	vmas, err := p.Maps()
	if err != nil {
		return nil, err
	}
	gadgets, err := ptrace.FindGadgets(mem, texts(vmas))
	if err != nil {
		return nil, err
	}
	in, err := ptrace.Inject(th, ptrace.Options{Mem: mem, Gadgets: gadgets, Stack: stackOf(vmas)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return newWatch(in, p)
}

// TestTakeAll: what was written to is found once wherever large memory is cut, and in
// no part is it forgotten to watch on.
func TestTakeAll(t *testing.T) {
	t.Parallel()
	w := ownWatch(t)
	const pages = 3*scanPiece/pageSize + 777
	b, start := watched(t, w, pages)
	b, start = b[5*pageSize:], start+5*pageSize // in the middle of a page table
	end := start + uint64(len(b))
	take := func(want ...int) {
		t.Helper()
		runs, err := w.takeAll(start, end, true)
		var got []int
		for _, r := range runs {
			for at := r.Start; at < r.Start+r.Len; at += pageSize {
				got = append(got, int(at-start)/pageSize)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("written to are %v, error %v, not %v", got, err, want)
		}
	}
	const half, last = pages / 2, pages - 6
	for _, page := range []int{0, 1, 511, 512, half, half + 1, last - 1, last} {
		b[page*pageSize]++
	}
	take(0, 1, 511, 512, half, half+1, last-1, last)
	take()
	b[half*pageSize]++
	take(half)
	other := addressOf(reserve(t, 2*scanPiece/pageSize))
	if _, err := w.takeAll(other, other+2*scanPiece, false); !errors.Is(err, errUnwatched) {
		t.Errorf("of what is not watched: %v", err)
	}
}
