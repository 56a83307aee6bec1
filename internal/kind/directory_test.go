package kind

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDirectoryGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	for i := range 200 {
		write(t, filepath.Join(dir, fmt.Sprintf("%03d", i)), "")
	}
	fd := w.open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	flags := flagsOf(t, fd)
	seen := map[string]int{}
	readSome(t, fd, seen)
	if len(seen) == 0 || len(seen) >= 200 {
		t.Fatalf("%d entries at once: this test tests nothing", len(seen))
	}
	w.save(fd)
	w.restore()
	for readSome(t, fd, seen) {
	}
	if len(seen) != 200 {
		t.Errorf("%d of 200 entries", len(seen))
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", name, n)
		}
	}
	if got := flagsOf(t, fd); got != flags {
		t.Errorf("flags %#o, want %#o", got, flags)
	}
}

// readSome adds a few entries and reports whether there were any.
func readSome(t *testing.T, fd int, seen map[string]int) bool {
	t.Helper()
	b := make([]byte, 1000)
	n, err := unix.Getdents(fd, b)
	if err != nil {
		t.Fatal(err)
	}
	_, _, names := unix.ParseDirent(b[:n], -1, nil)
	for _, name := range names {
		seen[name]++
	}
	return n > 0
}

func TestDirectoryThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	fd := w.open(dir, unix.O_RDONLY, 0)
	w.save(fd)
	remove(t, dir)
	_, err := w.describe(fd)
	wantRefused(t, err, dir, "removed")
	wantRefused(t, w.tryRestore(), "fd ", dir, "missing")

	write(t, dir, "a file")
	wantRefused(t, w.tryRestore(), "fd ", dir, "missing") // "not a directory" is as good as missing
}

func TestDirectoryReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "dir")
	for _, d := range []string{dir, dir + ".new"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.save(w.open(dir, unix.O_RDONLY, 0))
	remove(t, dir)
	if err := os.Rename(dir+".new", dir); err != nil {
		t.Fatal(err)
	}
	w.restore()
	w.wantWarning("fd ", dir, "replaced")
}
