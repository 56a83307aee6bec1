package kind

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/sys"
)

func newFIFO(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := sys.Mkfifo(path, 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

// fifoPair opens both ends of a new FIFO.
func (w *world) fifoPair() (path string, r, wr int) {
	path = newFIFO(w.t)
	r = w.open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	wr = w.open(path, unix.O_WRONLY, 0)
	return path, r, wr
}

func TestFIFOWithBothEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, r, wr := w.fifoPair()
	writeAll(t, wr, "through a name")
	w.save(r, wr)
	w.restore()
	if got := readOnce(t, r, 100); got != "through a name" {
		t.Errorf("read %q", got)
	}
	if _, err := unix.Read(r, make([]byte, 1)); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("read of the empty FIFO: %v", err)
	}
	writeAll(t, wr, "more")
	if got := readOnce(t, r, 100); got != "more" {
		t.Errorf("read %q", got)
	}
	if flagsOf(t, wr)&unix.O_NONBLOCK != 0 {
		t.Error("the write end does not block")
	}
	if len(w.Warnings) != 0 {
		t.Errorf("warnings %q", w.Warnings)
	}
}

func TestFIFOThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, r, wr := w.fifoPair()
	writeAll(t, wr, "x")
	w.save(r, wr)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.restore()
	w.wantWarning(path, "made again")
	if st, err := sys.StatPath(path); err != nil || st.Mode != sys.ModeFIFO|0o640 {
		t.Errorf("mode %#o, %v", st.Mode, err)
	}
	if got := readOnce(t, r, 10); got != "x" {
		t.Errorf("read %q", got)
	}
}

func TestFIFOWithoutName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, r, wr := w.fifoPair()
	writeAll(t, wr, "nameless")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.save(r, wr)
	w.restore()
	if got := readOnce(t, r, 10); got != "nameless" {
		t.Errorf("read %q", got)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the name is there: %v", err)
	}
}

func TestFIFOWithAnotherThingAtItsName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, r, wr := w.fifoPair()
	w.save(r, wr)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, w.tryRestore(), path, "FIFO")
}

func TestFIFOReaderWhoseWriterIsOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, r, _ := w.fifoPair() // the writer is not described: it is outside
	other := w.open(path, unix.O_WRONLY, 0)
	writeAll(t, other, "sent before")
	w.save(r)
	w.restore()
	// The very FIFO was never let go here, so the bytes are there twice.
	w.wantWarning("11 bytes")
	if got := readOnce(t, r, 100); got != "sent beforesent before" {
		t.Errorf("read %q", got)
	}
	writeAll(t, other, "after")
	if got := readOnce(t, r, 100); got != "after" {
		t.Errorf("read %q", got)
	}
}

func TestFIFOReaderWhoseWriterIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, r, wr := w.fifoPair()
	w.save(r)
	w.shut(wr)
	w.drop()
	wantRefused(t, w.tryRestore(), path, "nobody writes")
}

func TestFIFOWriterWhoseReaderIsOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, r, wr := w.fifoPair()
	w.save(wr)
	w.restore()
	writeAll(t, wr, "to outside")
	if got := readOnce(t, r, 100); got != "to outside" {
		t.Errorf("read %q", got)
	}
	w.shut(r)
	wantRefused(t, w.tryRestore(), path, "nobody reads")
}

func TestFIFOEndsThatWereAlone(t *testing.T) {
	t.Parallel()
	// A reader that has seen its writer go is told of the end.
	w := newWorld(t)
	_, r, wr := w.fifoPair()
	w.shut(wr)
	// A reader that never had a writer is not.
	quiet := w.open(newFIFO(t), unix.O_RDONLY|unix.O_NONBLOCK, 0)
	// A writer without a reader gets EPIPE.
	_, r3, broken := w.fifoPair()
	w.shut(r3)
	w.save(r, quiet, broken)
	w.restore()
	if ready, err := sys.Poll(r); err != nil || !ready.Hup {
		t.Errorf("%+v, %v: no hangup", ready, err)
	}
	if ready, err := sys.Poll(quiet); err != nil || ready.Hup {
		t.Errorf("%+v, %v: a hangup", ready, err)
	}
	if _, err := unix.Write(broken, []byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write: %v, want EPIPE", err)
	}
}

func TestFIFOOpenedForBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.open(newFIFO(t), unix.O_RDWR, 0)
	writeAll(t, fd, "self")
	w.save(fd)
	w.restore()
	if got := readOnce(t, fd, 10); got != "self" {
		t.Errorf("read %q", got)
	}
}
