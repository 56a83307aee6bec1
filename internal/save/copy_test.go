package save

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// memory is /proc/PID/mem of a process that has all addresses, each page filled
// with its number, up to end, and fails there.
type memory struct {
	end uint64
	err error // behind it
}

func (m memory) ReadAt(b []byte, off int64) (int, error) {
	for i := range b {
		if uint64(off)+uint64(i) >= m.end {
			return i, m.err
		}
		b[i] = byte((off+int64(i))/pageSize%250) + 1
	}
	return len(b), nil
}

// work is a copier for one area of the kind at 1 GiB, the image that it writes,
// and the runs that cover the area.
func work(t *testing.T, kind image.AreaKind, size uint64, mem io.ReaderAt) (*copier, *image.Writer, []image.Run) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	w, err := image.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Abort)
	areas := []image.Area{{Start: 1 << 30, End: image.Addr(1<<30 + size), Prot: image.ProtRead, Kind: kind, File: -1, Flags: []string{}}}
	if kind == image.PrivateFile || kind == image.SharedFile {
		areas[0].File = 0
	}
	runs := []image.Run{{Start: 1 << 30, Len: size / 2}, {Start: 1<<30 + size/2, Len: size - size/2}}
	if err := w.Layout(image.Layout{Processes: []image.Space{{Areas: areas, Runs: runs}}}); err != nil {
		t.Fatal(err)
	}
	c := &copier{mem: mem, image: w.Process(0), path: path, areas: areas, step: func(uint64) {}}
	for i := range c.buffers {
		c.buffers[i] = make([]byte, copyPiece)
	}
	return c, w, runs
}

const workSize = 10*copyPiece + 6*pageSize

// TestCopyProgress: what is told adds up to all there is.
func TestCopyProgress(t *testing.T) {
	t.Parallel()
	c, _, runs := work(t, image.Anonymous, workSize, memory{end: 1 << 40})
	var steps, done atomic.Uint64
	c.step = func(n uint64) {
		steps.Add(1)
		done.Add(n)
	}
	if err := c.copy(t.Context(), runs); err != nil || done.Load() != workSize || steps.Load() != 12 {
		t.Errorf("%d bytes of %d in %d pieces, error %v", done.Load(), workSize, steps.Load(), err)
	}
	if err := c.copy(t.Context(), nil); err != nil {
		t.Errorf("nothing to copy: %v", err)
	}
}

// TestCopyEnds: what an error in the middle of memory means.
func TestCopyEnds(t *testing.T) {
	t.Parallel()
	const middle = 1<<30 + 3*copyPiece + 5*pageSize + 100
	for _, c := range []struct {
		kind image.AreaKind
		err  error
		want error
	}{
		{image.PrivateFile, syscall.EIO, nil}, // beyond the end of the file
		{image.SharedFile, syscall.EIO, nil},
		{image.Anonymous, syscall.EIO, syscall.EIO},
		{image.Anonymous, io.EOF, proc.ErrGone},
		{image.PrivateFile, io.EOF, proc.ErrGone},
		{image.SharedFile, syscall.EFAULT, syscall.EFAULT},
	} {
		w, _, runs := work(t, c.kind, workSize, memory{middle, c.err})
		if err := w.copy(t.Context(), runs); !errors.Is(err, c.want) {
			t.Errorf("%s, %v: %v, want %v", c.kind, c.err, err, c.want)
		}
	}
}

// TestCopyCancelled: no piece is begun any more.
func TestCopyCancelled(t *testing.T) {
	t.Parallel()
	c, _, runs := work(t, image.Anonymous, workSize, memory{end: 1 << 40})
	ctx, cancel := context.WithCancel(t.Context())
	var told atomic.Int64
	c.step = func(uint64) {
		told.Add(1)
		cancel()
	}
	if err := c.copy(ctx, runs); !errors.Is(err, context.Canceled) || told.Load() > 2*copyWorkers {
		t.Errorf("%d pieces, error %v", told.Load(), err)
	}
}

// TestCopyNoRoom: an error of the image is one of storing.
func TestCopyNoRoom(t *testing.T) {
	t.Parallel()
	c, w, runs := work(t, image.Anonymous, workSize, memory{end: 1 << 40})
	w.Abort() // closes the file
	var store *StoreError
	if err := c.copy(t.Context(), runs); !errors.As(err, &store) || store.Path != c.path {
		t.Errorf("error %v", err)
	}
}

func TestAreaAt(t *testing.T) {
	t.Parallel()
	areas := []image.Area{{Start: 10, End: 20}, {Start: 20, End: 30}, {Start: 40, End: 50}}
	for addr, want := range map[uint64]int{9: -1, 10: 0, 19: 0, 20: 1, 29: 1, 30: -1, 39: -1, 40: 2, 49: 2, 50: -1} {
		a := areaAt(areas, addr)
		if want < 0 && a != nil || want >= 0 && a != &areas[want] {
			t.Errorf("%d: %v", addr, a)
		}
	}
}

// TestStall: work that makes no step is left behind, and work that does is not.
func TestStall(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	var stall *StallError
	err := aside(t.Context(), &beat{}, 20*time.Millisecond, func() error { <-hang; return nil })
	if !errors.As(err, &stall) || !stall.Timeout() {
		t.Errorf("error %v", err)
	}
	var b beat
	limit := 200 * time.Millisecond
	err = aside(t.Context(), &b, limit, func() error {
		for begin := time.Now(); time.Since(begin) < 2*limit; time.Sleep(time.Millisecond) {
			b.step()
		}
		return io.ErrUnexpectedEOF
	})
	if err != io.ErrUnexpectedEOF {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := aside(ctx, &b, time.Hour, func() error { <-hang; return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestPayloadErrors: which side failed.
func TestPayloadErrors(t *testing.T) {
	t.Parallel()
	_, w, _ := work(t, image.Anonymous, workSize, nil)
	c := &collector{o: Options{Path: "p"}, image: w, laidOut: true}
	if _, err := c.payloads(t.Context())(bytes.NewReader(make([]byte, 100)), 100, nil); err != nil {
		t.Error(err)
	}
	var store *StoreError
	_, err := c.payloads(t.Context())(bytes.NewReader(nil), 100, nil)
	if err == nil || errors.As(err, &store) {
		t.Errorf("a file that can not be read: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.payloads(ctx)(bytes.NewReader(make([]byte, 100)), 100, nil); !errors.Is(err, context.Canceled) || errors.As(err, &store) {
		t.Errorf("cancelled: %v", err)
	}
	w.Abort()
	if _, err := c.payloads(t.Context())(bytes.NewReader(make([]byte, 100)), 100, nil); !errors.As(err, &store) {
		t.Errorf("an image that can not be written: %v", err)
	}
}
