package kind

import (
	"encoding/binary"
	"errors"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/sys"
)

func readCount(t *testing.T, fd int) uint64 {
	t.Helper()
	b := readOnce(t, fd, 8)
	if len(b) != 8 {
		t.Fatalf("read %d bytes", len(b))
	}
	return binary.NativeEndian.Uint64([]byte(b))
}

func TestEventfdKeepsCountAndFlags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.keep(unix.Eventfd(0, unix.EFD_CLOEXEC))
	const count = 1<<40 + 7
	writeAll(t, fd, string(binary.NativeEndian.AppendUint64(nil, count)))
	empty := w.keep(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
	w.save(fd, empty)
	w.restore()
	if got := readCount(t, fd); got != count {
		t.Errorf("count %d", got)
	}
	if flagsOf(t, fd)&unix.O_NONBLOCK != 0 {
		t.Error("it does not block")
	}
	if _, err := unix.Read(empty, make([]byte, 8)); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("read of the empty one: %v", err)
	}
}

func TestEventfdKeepsSemaphore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.keep(unix.Eventfd(3, unix.EFD_CLOEXEC|unix.EFD_SEMAPHORE))
	w.save(fd)
	w.restore()
	for range 3 {
		if got := readCount(t, fd); got != 1 {
			t.Errorf("read %d, want 1", got)
		}
	}
	if info := w.desc(fd).Info.EventFD; info.Count != 0 {
		t.Errorf("%d left", info.Count)
	}
}

// A kernel before 6.5 does not tell: it is tried out, and put back.
func TestSemaphoreIsFoundOut(t *testing.T) {
	t.Parallel()
	for _, semaphore := range []bool{false, true} {
		for _, count := range []uint64{0, 1, 2, 9, 1<<64 - 2} {
			f, err := sys.CreateEventfd(semaphore)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if count > 0 {
				if err := addCount(f, count); err != nil {
					t.Fatal(err)
				}
			}
			got, err := isSemaphore(f, count)
			if err != nil || got != semaphore {
				t.Errorf("count %d: %v, %v, want %v", count, got, err, semaphore)
			}
			w := newWorld(t)
			if left := w.desc(int(f.Fd())).Info.EventFD.Count; left != count {
				t.Errorf("semaphore %v: count %d became %d", semaphore, count, left)
			}
		}
	}
}
