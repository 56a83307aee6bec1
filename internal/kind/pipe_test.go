package kind

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/sys"
)

func (w *world) pipe(flags int) (r, wr int) {
	w.t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], flags|unix.O_CLOEXEC); err != nil {
		w.t.Fatal(err)
	}
	return w.keep(p[0], nil), w.keep(p[1], nil)
}

// shut closes what fd refers to and keeps the number, which another test could
// get otherwise.
func (w *world) shut(fd int) {
	w.t.Helper()
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer unix.Close(null)
	if err := unix.Dup3(null, fd, unix.O_CLOEXEC); err != nil {
		w.t.Fatal(err)
	}
}

// readOnce is one read(2) of up to n bytes.
func readOnce(t *testing.T, fd, n int) string {
	t.Helper()
	b := make([]byte, n)
	got, err := unix.Read(fd, b)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(b[:got])
}

func unread(t *testing.T, fd int) int {
	t.Helper()
	n, err := sys.Unread(fd)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPipeKeepsBytesSizeAndFlags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, wr := w.pipe(0)
	if _, err := unix.FcntlInt(uintptr(r), unix.F_SETPIPE_SZ, 16384); err != nil {
		t.Fatal(err)
	}
	if err := sys.SetStatusFlags(r, unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	writeAll(t, wr, "hello ")
	writeAll(t, wr, "world")
	w.save(r, wr)
	if got := unread(t, r); got != 11 {
		t.Fatalf("saving left %d bytes of 11", got)
	}
	w.restore()
	if size, err := sys.PipeSize(r); err != nil || size != 16384 {
		t.Errorf("size %d, %v", size, err)
	}
	if flagsOf(t, r)&unix.O_NONBLOCK == 0 || flagsOf(t, wr)&unix.O_NONBLOCK != 0 {
		t.Errorf("flags %#o, %#o", flagsOf(t, r), flagsOf(t, wr))
	}
	if got := readOnce(t, r, 100); got != "hello world" {
		t.Errorf("read %q", got)
	}
	writeAll(t, wr, "more")
	if got := readOnce(t, r, 100); got != "more" {
		t.Errorf("read %q", got)
	}
	w.shut(wr)
	if got := readOnce(t, r, 100); got != "" {
		t.Errorf("read %q after the writer has closed", got)
	}
}

func TestPipeKeepsPackets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, wr := w.pipe(unix.O_DIRECT)
	writeAll(t, wr, "one")
	writeAll(t, wr, "x")
	writeAll(t, wr, strings.Repeat("3", 4096))
	if err := sys.SetStatusFlags(wr, 0); err != nil {
		t.Fatal(err)
	}
	writeAll(t, wr, "stream ")
	writeAll(t, wr, "of bytes")
	if err := sys.SetStatusFlags(wr, unix.O_DIRECT); err != nil {
		t.Fatal(err)
	}
	if n, err := writeApart(wr, []byte("!")); n != 1 || err != nil { // else "last" would be joined to the stream
		t.Fatal(n, err)
	}
	writeAll(t, wr, "last")
	w.save(wr, r)
	w.restore()
	if flagsOf(t, wr)&unix.O_DIRECT == 0 {
		t.Error("the write end has lost O_DIRECT")
	}
	for _, c := range []struct {
		n    int
		want string
	}{{2, "on"}, {100, "x"}, {5000, strings.Repeat("3", 4096)}, {7, "stream "}, {9, "of bytes!"}, {3, "las"}} {
		if got := readOnce(t, r, c.n); got != c.want {
			t.Errorf("read(%d) = %q, want %q", c.n, got, c.want)
		}
	}
	if n := unread(t, r); n != 0 {
		t.Errorf("%d bytes left", n)
	}
}

func TestFullPipe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, wr := w.pipe(unix.O_NONBLOCK)
	chunk := make([]byte, 1000)
	total := 0
	for i := byte(0); ; i++ {
		for j := range chunk {
			chunk[j] = i
		}
		n, err := unix.Write(wr, chunk)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	readOnce(t, r, 500) // the first buffer is not full
	w.save(r, wr)
	w.restore()
	if got := unread(t, r); got != total-500 {
		t.Fatalf("%d bytes, want %d", got, total-500)
	}
	for i := range total - 500 {
		if got := readOnce(t, r, 1)[0]; got != byte((i+500)/1000) {
			t.Fatalf("byte %d is %d", i, got)
		}
	}
}

func TestEmptyPipeStaysEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, wr := w.pipe(unix.O_NONBLOCK)
	w.save(r, wr)
	w.restore()
	if _, err := unix.Read(r, make([]byte, 1)); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("read: %v, want EAGAIN", err)
	}
	if len(w.Payload) != 0 {
		t.Errorf("payload of %d bytes", len(w.Payload))
	}
}

func TestPipeWithoutOtherEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, wr := w.pipe(0)
	writeAll(t, wr, "rest")
	w.shut(wr)
	r2, wr2 := w.pipe(0)
	w.shut(r2)
	w.save(r, wr2)
	w.restore()
	if got := readOnce(t, r, 10); got != "rest" {
		t.Errorf("read %q", got)
	}
	if got := readOnce(t, r, 10); got != "" {
		t.Errorf("read %q, want the end", got)
	}
	if _, err := unix.Write(wr2, []byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write: %v, want EPIPE", err)
	}
}

// An open file of the pipe that is made through /proc can be both ends.
func TestPipeOpenedForBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, wr := w.pipe(0)
	f, err := sys.Reopen(r, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	both := w.keep(unix.Dup(int(f.Fd())))
	f.Close()
	w.shut(wr)
	writeAll(t, both, "self")
	w.save(both, r)
	w.restore()
	if flagsOf(t, both)&unix.O_ACCMODE != unix.O_RDWR {
		t.Errorf("flags %#o", flagsOf(t, both))
	}
	if got := readOnce(t, r, 10); got != "self" {
		t.Errorf("read %q", got)
	}
	writeAll(t, both, "again")
	if got := readOnce(t, both, 10); got != "again" {
		t.Errorf("read %q", got)
	}
}

// holder starts a process that has f open too, and ends with the test process
// at the latest.
func holder(t *testing.T, f *os.File) {
	t.Helper()
	cmd := exec.Command("/bin/cat")
	cmd.ExtraFiles = []*os.File{f}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
}

func TestPipeSharedWithOutside(t *testing.T) {
	for _, keepReader := range []bool{false, true} {
		w := newWorld(t)
		r, wr, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer wr.Close()
		holder(t, r)
		fd := int(wr.Fd())
		w.all = []*Desc{w.desc(fd)}
		if keepReader {
			w.all = append(w.all, w.desc(int(r.Fd())))
		} else {
			r.Close()
		}
		_, err = w.describe(fd)
		wantRefused(t, err, "pipe:[", "process ", "(cat)")
	}
}

func TestHostilePipeContent(t *testing.T) {
	t.Parallel()
	for name, segments := range map[string][]pipeSegment{
		"too short":   {{Len: 2}},
		"too long":    {{Len: 5}},
		"negative":    {{Len: -1}, {Len: 5}},
		"zero":        {{Len: 0}, {Len: 4}},
		"overflow":    {{Len: 1<<63 - 1}, {Len: 1<<63 - 1}},
		"nothing":     nil,
		"packet size": {{Len: 4097, Packet: true}},
	} {
		w := newWorld(t)
		r, wr := w.pipe(0)
		writeAll(t, wr, "four")
		w.save(r, wr)
		f := &w.Manifest.Files[0]
		det, err := detail[pipeDetail](f)
		if err != nil {
			t.Fatal(err)
		}
		if name == "packet size" {
			det.Content.Data.Size = 4097
			det.Content.Data.Extents = nil
		}
		det.Content.Segments = segments
		if err := setDetail(f, det); err != nil {
			t.Fatal(err)
		}
		if err := w.tryRestore(); err == nil {
			t.Errorf("%s: restored", name)
		}
	}
}

func TestAddSegmentJoinsStreams(t *testing.T) {
	t.Parallel()
	var list []pipeSegment
	for _, s := range []pipeSegment{{1, false}, {2, false}, {3, true}, {4, true}, {5, false}} {
		list = addSegment(list, s)
	}
	if want := []pipeSegment{{3, false}, {3, true}, {4, true}, {5, false}}; !slices.Equal(list, want) {
		t.Errorf("%v, want %v", list, want)
	}
}
