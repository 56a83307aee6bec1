package seekable

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// content is a mixture of what memory is like: zeros, text, noise.
func content(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n)
	for len(b) < n {
		k := min(n-len(b), 1+r.IntN(3*FrameSize/2))
		switch r.IntN(4) {
		case 0:
			b = append(b, make([]byte, k)...)
		case 1:
			b = append(b, bytes.Repeat([]byte("some text, again and again. "), k/28+1)[:k]...)
		case 2:
			b = append(b, bytes.Repeat([]byte{7}, k)...)
		default:
			for range k {
				b = append(b, byte(r.Uint32()))
			}
		}
	}
	return b
}

// write makes a file of p with so many bytes in front, and gives its path.
func write(t interface {
	TempDir() string
	Fatal(...any)
}, p []byte, front int, level int, stored bool) string {
	path := filepath.Join(t.TempDir(), "x")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWriter(f, int64(front), level, 2)
	if err != nil {
		t.Fatal(err)
	}
	frames := Cut(nil, int64(front), int64(len(p)), func(yield func(off, n int64) bool) {
		for at := front; at < len(p); at += 4096 {
			b := p[at:min(at+4096, len(p))]
			if !bytes.Equal(b, zeros[:len(b)]) && !yield(int64(at), int64(len(b))) {
				return
			}
		}
	})
	for i := range frames {
		frames[i].Stored = stored
	}
	// In two parts, as images are written.
	for _, part := range [][]Frame{frames[:len(frames)/2], frames[len(frames)/2:]} {
		if err := w.Add(context.Background(), part, func(b []byte, off int64) error {
			copy(b, p[off:])
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Front(p[:front]); err != nil {
		t.Fatal(err)
	}
	size, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		t.Fatal("length of the file", info.Size(), "is said to be", size, err)
	}
	return path
}

func open(t interface{ Fatal(...any) }, path string) *Reader {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRoundTrip: what was written is read, whole and in parts, and zstd gives it
// back as well.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for i, n := range []int{0, 1, 4096, FrameSize, FrameSize + 1, 3*FrameSize + 77, 5 << 20} {
		for _, front := range []int{0, min(n, 100), min(n, FrameSize), min(n, FrameSize+4097)} {
			p := content(uint64(i), n)
			path := write(t, p, front, 1+i%4, i%3 == 2)
			if out, err := exec.Command("zstd", "-d", "-c", path).Output(); err != nil || !bytes.Equal(out, p) {
				t.Fatalf("%d bytes, %d in front: zstd -d gives %d bytes, %v", n, front, len(out), err)
			}
			r := open(t, path)
			if all, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size())); err != nil || !bytes.Equal(all, p) {
				t.Fatalf("%d bytes, %d in front: read %d bytes, %v", n, front, len(all), err)
			}
		}
	}
}

// TestLongZeros: what is known to be zero takes next to no room, however long.
func TestLongZeros(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 3<<30 + 12345
	w, err := NewWriter(f, 0, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	frames := Cut(nil, 0, size, func(yield func(off, n int64) bool) { yield(2<<30+5, 100) })
	if err := w.Add(t.Context(), frames, func(p []byte, off int64) error {
		clear(p)
		if i := 2<<30 + 5 - off; i >= 0 && i < int64(len(p)) {
			p[i] = 1
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Finish(); err != nil || n > 200<<10 {
		t.Errorf("%d bytes in the file, error %v", n, err)
	}
	r := open(t, path)
	if r.Size() != size {
		t.Errorf("%d bytes instead of %d", r.Size(), size)
	}
	p := bytes.Repeat([]byte{9}, 300)
	for off, want := range map[int64]int{0: -1, 2<<30 - 100: 105, 2<<30 + 6: -1, 1<<30 + 77: -1, size - 300: -1} {
		if _, err := r.ReadAt(p, off); err != nil || slices.IndexFunc(p, func(b byte) bool { return b != 0 }) != want {
			t.Errorf("at %d: error %v, not zero at %d", off, err, slices.IndexFunc(p, func(b byte) bool { return b != 0 }))
		}
	}
	if n, err := r.ReadAt(p, size-100); n != 100 || err != io.EOF {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
}

// TestReadAt: any part reads the same, from several goroutines.
func TestReadAt(t *testing.T) {
	t.Parallel()
	p := content(3, 40*FrameSize+99)
	r := open(t, write(t, p, 70000, 1, false))
	done := make(chan error)
	for g := range 4 {
		go func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 2))
			for range 300 {
				off := rnd.IntN(len(p))
				b := make([]byte, rnd.IntN(min(len(p)-off, 3*FrameSize)))
				if _, err := r.ReadAt(b, int64(off)); err != nil || !bytes.Equal(b, p[off:off+len(b)]) {
					done <- errors.Join(errors.New("not what was written"), err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(r.cache.frames) > cacheFrames {
		t.Errorf("%d frames are kept", len(r.cache.frames))
	}
}

// TestFlippedBits: every single flipped bit is found.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	p := append(content(5, 30000), make([]byte, FrameSize)...)
	file, err := os.ReadFile(write(t, p, 300, 1, false))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(file) {
		if len(file) > 4000 && i/8 > 500 && i/8 < len(file)-500 && i%67 != 0 {
			continue
		}
		file[i/8] ^= 1 << (i % 8)
		r, err := NewReader(bytes.NewReader(file), int64(len(file)))
		if err == nil {
			_, err = io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		}
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
			t.Fatalf("bit %d of byte %d of %d: error %v", i%8, i/8, len(file), err)
		}
		file[i/8] ^= 1 << (i % 8)
	}
	for n := range file {
		if n > 200 && n < len(file)-200 && n%23 != 0 {
			continue
		}
		if _, err := NewReader(bytes.NewReader(file[:n]), int64(n)); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
			t.Fatalf("the first %d of %d bytes: error %v", n, len(file), err)
		}
	}
}

// TestErrors: what can not be read or written ends the work with its error.
func TestErrors(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	frames := Cut(nil, 0, 100*FrameSize, func(yield func(off, n int64) bool) { yield(0, 100*FrameSize) })
	w, err := NewWriter(failing{boom}, 0, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(t.Context(), frames, func(p []byte, off int64) error { return nil }); err != boom {
		t.Errorf("a full disk: %v", err)
	}
	for _, fail := range []func(cancel func()) error{
		func(func()) error { return boom },
		func(cancel func()) error { cancel(); return nil },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := NewWriter(failing{}, 0, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(ctx, frames, func(p []byte, off int64) error {
			if off > 20*FrameSize {
				return fail(cancel)
			}
			return nil
		}); err != boom && !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		cancel()
	}
	if err := w.Add(t.Context(), []Frame{{Off: 7, Len: 1}}, nil); err == nil {
		t.Error("a gap was taken")
	}
	if w, _ := NewWriter(failing{}, 10, 1, 2); w.Front(make([]byte, 9)) == nil || w.Front(make([]byte, 11)) == nil {
		t.Error("another length in front was taken")
	}
}

// failing is a disk, full if there is an error.
type failing struct{ err error }

func (f failing) WriteAt(p []byte, off int64) (int, error) { return len(p), f.err }

// TestCut: frames cover all without gaps, and zeros are no data.
func TestCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var data [][2]int64
		at := int64(0)
		for range rapid.IntRange(0, 20).Draw(t, "runs") {
			at += rapid.Int64Range(0, 3*FrameSize).Draw(t, "gap")
			n := rapid.Int64Range(1, 2*FrameSize).Draw(t, "length")
			data = append(data, [2]int64{at, n})
			at += n
		}
		end := at + rapid.Int64Range(0, 3*maxZeroFrame).Draw(t, "rest")
		from := rapid.Int64Range(0, min(100, end)).Draw(t, "from")
		off := from
		for _, f := range Cut(nil, from, end, func(yield func(off, n int64) bool) {
			for _, d := range data {
				if !yield(d[0], d[1]) {
					return
				}
			}
		}) {
			if f.Off != off || f.Len <= 0 || !f.Zero && f.Len > FrameSize || f.Len > maxZeroFrame {
				t.Fatalf("frame %+v behind %d", f, off)
			}
			off += f.Len
			for _, d := range data {
				if f.Zero && d[0] < off && d[0]+d[1] > f.Off && d[0]+d[1] > from {
					t.Fatalf("frame %+v is not zero at %v", f, d)
				}
			}
		}
		if off != end {
			t.Fatalf("frames end at %d instead of %d", off, end)
		}
	})
}

// FuzzReader: nothing that a file says makes the reader fail in any other way,
// or take more memory than it may.
func FuzzReader(f *testing.F) {
	for i, n := range []int{0, 100, 5000, FrameSize + 10} {
		b, err := os.ReadFile(write(f, content(uint64(i), n), min(n, 64), 1, i == 2))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if mend {
			b = mended(b)
		}
		r, err := NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		p := make([]byte, FrameSize)
		for off := int64(0); off < min(r.Size(), 1<<20); off += 100000 {
			if _, err := r.ReadAt(p, off); err != nil && err != io.EOF && !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
		}
	})
}
