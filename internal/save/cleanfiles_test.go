package save

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// counted is memory that counts what is read of it.
type counted struct {
	bytes []byte // at 1 MiB
	read  int
}

func (s *counted) ReadAt(b []byte, off int64) (int, error) {
	n := copy(b, s.bytes[off-1<<20:])
	if s.read += n; n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func TestCleanMemory(t *testing.T) {
	t.Parallel()
	const pages = 16
	memory := make([]byte, pages*pageSize)
	for i := range memory {
		memory[i] = byte(i/pageSize + 1)
	}
	// The file has its first page before the mapping, and ends in the last one.
	file := append(make([]byte, pageSize), memory[:(pages-1)*pageSize+100]...)
	at := func(page int) uint64 { return 1<<20 + uint64(page)*pageSize }
	for _, page := range []int{3, 7, 8} { // the process has written to these
		memory[page*pageSize] = 200
	}
	dirty := []image.AddrRange{{Start: image.Addr(at(3)), End: image.Addr(at(4))}, {Start: image.Addr(at(7)), End: image.Addr(at(9))}}
	for _, x := range []struct {
		from, to int
		ofMemory int // pages that are read there
	}{
		{0, 3, 0}, {0, 4, 1}, {3, 4, 1}, {2, 9, 3}, {8, 10, 1}, {4, 7, 0}, {9, 15, 0},
		{9, 16, 7}, // the file ends before
		{15, 16, 1},
	} {
		mem := &counted{bytes: memory}
		c := cleanMemory{mem, []cleanPart{{image.Run{Start: 1 << 16, Len: pageSize}, nil, 0, nil}, {image.Run{Start: at(0), Len: pages * pageSize}, bytes.NewReader(file), pageSize, dirty}}}
		got := make([]byte, (x.to-x.from)*pageSize)
		n, err := c.ReadAt(got, int64(at(x.from)))
		if n != len(got) || err != nil || !bytes.Equal(got, memory[x.from*pageSize:x.to*pageSize]) {
			t.Errorf("pages %d to %d: %d bytes, error %v, or not what is there", x.from, x.to, n, err)
		}
		if mem.read != x.ofMemory*pageSize {
			t.Errorf("pages %d to %d: %d bytes were read from the process, not %d pages", x.from, x.to, mem.read, x.ofMemory)
		}
	}
	mem := &counted{bytes: memory}
	c := cleanMemory{mem, []cleanPart{{image.Run{Start: at(2), Len: pageSize}, bytes.NewReader(file), 0, nil}}}
	if n, err := c.ReadAt(make([]byte, 2*pageSize), int64(at(1))); n != 2*pageSize || err != nil || mem.read != n {
		t.Errorf("beyond a mapping: %d bytes, error %v, %d of the process", n, err, mem.read)
	}
}

// TestOpenClean: a file is opened only if it is the very one that is mapped, on a file
// system that is known.
func TestOpenClean(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "library")
	if err := os.WriteFile(path, make([]byte, cleanLeast), 0o600); err != nil {
		t.Fatal(err)
	}
	magic, err := sys.FSMagic(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := sys.StatPath(path)
	if err != nil {
		t.Fatal(err)
	}
	nobody := proc.Host().Process(1 << 30) // it has no links, as for ordinary users
	v := proc.VMA{Start: 1 << 20, End: 1<<20 + cleanLeast, Read: true, Inode: st.Ino, DevMajor: st.DevMajor, DevMinor: st.DevMinor, Path: path}
	open := func(v proc.VMA) bool {
		c := openClean([]*subject{{proc: nobody, early: []proc.VMA{v}}})
		defer c.Close()
		return len(c) == 1
	}
	if got := open(v); got != sys.IsPageCacheFS(magic) {
		t.Errorf("the file was opened: %v, on a file system %#x", got, magic)
	}
	written, small := v, v
	written.Write, small.End = true, small.Start+pageSize
	fifo := filepath.Join(dir, "fifo")
	if err := errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, make([]byte, cleanLeast), 0o600), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	st, err = sys.StatPath(fifo)
	if err != nil {
		t.Fatal(err)
	}
	pipe := v
	pipe.Path, pipe.Inode = fifo, st.Ino
	replaced := v
	for what, v := range map[string]proc.VMA{"one that is written to": written, "one page": small, "what took its place": replaced, "a FIFO": pipe} {
		if open(v) {
			t.Errorf("%s was opened", what)
		}
	}
	proc, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	if readsAsMapped(proc) {
		t.Error("a file of /proc counts as one that reads what is mapped")
	}
}
