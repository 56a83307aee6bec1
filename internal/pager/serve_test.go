package pager

import (
	"encoding/binary"
	"errors"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

const (
	testPages  = 64
	chunkPages = 4
)

// fakeImage has chunks of four pages, each of which begins with what word says.
type fakeImage struct{ bad int }

func word(page int) uint64 { return 0xabc000 + uint64(page) }

func (fakeImage) Chunks(of image.Piece) iter.Seq2[int, image.Chunk] {
	return func(yield func(int, image.Chunk) bool) {
		const size = chunkPages * pageSize
		for i := of.Pos / size; i*size < of.Pos+of.Len; i++ {
			if !yield(int(i), image.Chunk{Pos: i * size, Len: size}) {
				return
			}
		}
	}
}

var errBad = errors.New("a bad chunk")

func (f fakeImage) ReadChunk(i int, buf []byte) ([]byte, error) {
	if i == f.bad {
		return nil, errBad
	}
	buf = buf[:chunkPages*pageSize]
	clear(buf)
	for n := range chunkPages {
		binary.LittleEndian.PutUint64(buf[n*pageSize:], word(i*chunkPages+n))
	}
	return buf, nil
}

var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pager")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("gcc", "-O1", "-o", filepath.Join(dir, "memory"), "testdata/memory.c").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return filepath.Join(dir, "memory"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// run is a program with memory that a server gives it, page by page: nothing is given
// unasked unless a test says so.
type run struct {
	t      *testing.T
	s      *server
	socket *os.File
	warden *os.File // its end of the server's socket
	base   uint64
	cmd    *exec.Cmd
}

func newRun(t *testing.T) *run {
	t.Helper()
	t.Parallel()
	if device, err := sys.ProbePager(); err != nil {
		t.Skipf("no userfaultfd for a pager: %v", err)
	} else if device != nil {
		device.Close()
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs, err := sys.StreamPair()
	if err != nil {
		t.Fatal(err)
	}
	watched, warden, err := sys.StreamPair()
	if err != nil {
		t.Fatal(err)
	}
	r := &run{t: t, socket: ours, warden: warden, cmd: exec.Command(path)}
	r.cmd.ExtraFiles, r.cmd.Stderr = []*os.File{theirs}, os.Stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // it may have ended
		_ = r.cmd.Wait()
		for _, f := range []*os.File{ours, watched, warden} {
			f.Close()
		}
		for _, sp := range r.s.spaces {
			_ = syscall.Close(sp.uffd)
		}
	})
	uffd, closed, err := sys.ReceiveDescriptor(int(ours.Fd()))
	if err != nil || closed {
		t.Fatal(err, closed)
	}
	r.base = r.answer()
	missing := []image.Piece{{Addr: r.base, Pos: 0, Len: testPages * pageSize}}
	r.s = newServer(fakeImage{bad: -1}, int(watched.Fd()), &space{uffd: uffd, missing: missing})
	return r
}

// page is the address of a page.
func (r *run) page(n int) uint64 { return r.base + uint64(n)*pageSize }

func (r *run) answer() uint64 {
	r.t.Helper()
	var b [8]byte
	if _, err := r.socket.Read(b[:]); err != nil {
		r.t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (r *run) ask(what byte, a, b uint64) {
	r.t.Helper()
	msg := binary.LittleEndian.AppendUint64(nil, uint64(what))
	msg = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(msg, a), b)
	if _, err := r.socket.Write(msg); err != nil {
		r.t.Fatal(err)
	}
}

// do has the program do something, and serves it meanwhile.
func (r *run) do(what byte, a, b uint64) uint64 {
	r.t.Helper()
	r.ask(what, a, b)
	for end := time.Now().Add(20 * time.Second); ; {
		if err := r.s.attend(1); err != nil {
			r.t.Fatal(err)
		}
		ready, err := sys.PollIn([]int{int(r.socket.Fd())}, 0)
		if err != nil {
			r.t.Fatal(err)
		}
		if ready[0] {
			return r.answer()
		}
		if time.Now().After(end) {
			r.t.Fatalf("%c %#x %#x takes too long", what, a, b)
		}
	}
}

func (r *run) want(what byte, addr, want uint64) {
	r.t.Helper()
	if got := r.do(what, addr, 0); got != want {
		r.t.Errorf("%c page %d is %#x instead of %#x", what, int64(addr-r.base)/pageSize, got, want)
	}
}

// missing is how many pages the program has not got.
func (r *run) missing() (n uint64) {
	for _, p := range r.s.spaces[0].missing {
		n += p.Len / pageSize
	}
	return n
}

// finish gives all the rest, and reads it all.
func (r *run) finish(want func(page int) uint64) {
	r.t.Helper()
	if err := r.s.serve(); err != nil {
		r.t.Fatal(err)
	}
	for n := range testPages {
		r.want('r', r.page(n), want(n))
	}
}

func TestFaults(t *testing.T) {
	r := newRun(t)
	r.want('r', r.page(9), word(9))
	// The rest of the chunk behind it came with it, and nothing else.
	if n := r.missing(); n != testPages-3 {
		t.Errorf("%d pages are missing", n)
	}
	r.want('k', r.page(62), word(62))
	if got := r.do('p', r.page(21), 2); got != 0 { // several mappings
		t.Fatal(int64(got))
	}
	r.finish(word)
}

func TestRemove(t *testing.T) {
	r := newRun(t)
	r.want('r', r.page(9), word(9))
	r.do('d', r.page(8), 8)
	r.want('r', r.page(9), 0)
	r.want('k', r.page(13), 0)
	r.want('r', r.page(16), word(16))
	r.finish(func(n int) uint64 {
		if n >= 8 && n < 16 {
			return 0
		}
		return word(n)
	})
}

func TestRemap(t *testing.T) {
	r := newRun(t)
	to := r.page(testPages + 32)
	if got := r.do('m', r.page(8), to); got != to {
		t.Fatal(int64(got))
	}
	r.want('r', to, word(8))
	r.want('k', to+3*pageSize, word(11))
	// Over what is there and missing.
	if got := r.do('m', r.page(20), r.page(30)); got != r.page(30) {
		t.Fatal(int64(got))
	}
	r.want('r', r.page(31), word(21))
	if n := len(r.s.spaces[0].moved); n != 0 {
		t.Errorf("%d mappings were moved, and the kernel did not say that they are unmapped", n)
	}
	// And back, where it was.
	if got := r.do('m', to, r.page(8)); got != r.page(8) {
		t.Fatal(int64(got))
	}
	r.want('r', r.page(10), word(10))
	r.do('n', r.page(20), 4)
	r.finish(func(n int) uint64 {
		switch {
		case n >= 20 && n < 24:
			return 0
		case n >= 30 && n < 34:
			return word(n - 10)
		}
		return word(n)
	})
}

// TestGrow: what an mremap adds is zero.
func TestGrow(t *testing.T) {
	r := newRun(t)
	if got := r.do('g', r.base, testPages+8); got != r.base {
		t.Fatal(int64(got))
	}
	r.want('r', r.page(testPages+3), 0)
	r.want('k', r.page(testPages+7), 0)
	r.finish(word)
}

func TestUnmap(t *testing.T) {
	r := newRun(t)
	r.do('u', r.page(8), 8)
	r.do('n', r.page(8), 8)
	r.want('r', r.page(9), 0)
	// Moved to where something was missing before it was unmapped.
	r.do('u', r.page(40), 4)
	if got := r.do('m', r.page(50), r.page(40)); got != r.page(40) {
		t.Fatal(int64(got))
	}
	r.do('n', r.page(50), 4)
	r.finish(func(n int) uint64 {
		switch {
		case n >= 8 && n < 16, n >= 50 && n < 54:
			return 0
		case n >= 40 && n < 44:
			return word(n + 10)
		}
		return word(n)
	})
}

func TestFork(t *testing.T) {
	r := newRun(t)
	r.want('r', r.page(9), word(9))
	r.want('f', r.page(9), word(9))   // the child has it
	r.want('f', r.page(21), word(21)) // nobody has
	if n := r.missing(); n != testPages-3 {
		t.Errorf("%d pages are missing in the parent", n)
	}
	if n := len(r.s.spaces); n != 3 {
		t.Errorf("%d processes", n)
	}
	for range 2 {
		fd, closed, err := sys.ReceiveDescriptor(int(r.warden.Fd()))
		if err != nil || closed {
			t.Fatal("the warden has not got a child's userfaultfd", err)
		}
		if (&space{uffd: fd}).lives() {
			t.Error("a child that has ended seems to live")
		}
		_ = syscall.Close(fd)
	}
	if !r.s.spaces[0].lives() {
		t.Error("the program seems to have ended")
	}
	r.finish(word)
	if n := len(r.s.spaces); n != 1 {
		t.Errorf("%d processes have all", n)
	}
}

// TestGone: nobody is served who has executed another program, or ended.
func TestGone(t *testing.T) {
	r := newRun(t)
	r.ask('x', 0, 0)
	for end := time.Now().Add(20 * time.Second); r.s.spaces[0].lives(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no execve")
		}
	}
	if err := r.s.serve(); err != nil || len(r.s.spaces) != 0 {
		t.Error(err, len(r.s.spaces))
	}
}

// TestDamage: a page of a damaged chunk is never given.
func TestDamage(t *testing.T) {
	r := newRun(t)
	r.s.im = fakeImage{bad: 3}
	r.want('r', r.page(9), word(9))
	r.ask('r', r.page(13), 0)
	for end := time.Now().Add(20 * time.Second); ; {
		if err := r.s.attend(1); errors.Is(err, errBad) {
			break
		} else if err != nil || time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if ready, err := sys.PollIn([]int{int(r.socket.Fd())}, 20); err != nil || ready[0] {
		t.Error("the program got something", err)
	}
}

// TestNoWarden: without somebody who watches it, the server does not go on.
func TestNoWarden(t *testing.T) {
	r := newRun(t)
	r.warden.Close()
	if err := r.s.serve(); err == nil || !strings.Contains(err.Error(), "watches") {
		t.Error(err)
	}
}

// TestMovedThere: something is moved to where an mremap has just left, before the
// kernel says that this is unmapped.
func TestMovedThere(t *testing.T) {
	t.Parallel()
	s := &space{missing: []image.Piece{{Addr: 0x10000, Pos: 0, Len: 0x4000}, {Addr: 0x20000, Pos: 0x8000, Len: 0x4000}}}
	s.move(0x10000, 0x14000, 0x30000)
	s.move(0x20000, 0x24000, 0x10000)
	s.unmap(0x10000, 0x14000)
	s.unmap(0x20000, 0x24000)
	if len(s.missing) != 2 || s.missing[0] != (image.Piece{Addr: 0x10000, Pos: 0x8000, Len: 0x4000}) || s.missing[1].Addr != 0x30000 || len(s.moved) != 0 {
		t.Error(s.missing, s.moved)
	}
}
