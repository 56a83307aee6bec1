package kind

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/proc"
)

func (w *world) inotify(flags int) int {
	w.t.Helper()
	return w.keep(unix.InotifyInit1(unix.IN_CLOEXEC | flags))
}

func (w *world) watch(fd int, path string, mask uint32) int {
	w.t.Helper()
	wd, err := unix.InotifyAddWatch(fd, path, mask)
	if err != nil {
		w.t.Fatal(err)
	}
	return wd
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// watches are what the kernel lists, by number.
func (w *world) watches(fd int) []proc.InotifyWatch {
	list := w.desc(fd).Info.Inotify
	slices.SortFunc(list, func(a, b proc.InotifyWatch) int { return a.WD - b.WD })
	return list
}

func TestInotifyKeepsWatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	touch(t, file)
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	fd := w.inotify(0)
	w.open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0) // where the search begins without privileges
	w.watch(fd, dir, unix.IN_CREATE|unix.IN_EXCL_UNLINK)
	gone := w.watch(fd, sub, unix.IN_ALL_EVENTS)
	if _, err := unix.InotifyRmWatch(fd, uint32(gone)); err != nil {
		t.Fatal(err)
	}
	w.watch(fd, file, unix.IN_MODIFY)
	w.watch(fd, sub, unix.IN_CREATE|unix.IN_ONESHOT)
	readOnce(t, fd, 4096) // that a watch was removed
	before := w.watches(fd)
	w.all = []*Desc{w.desc(w.open(dir, unix.O_RDONLY, 0))}
	if _, err := w.describe(fd); err != nil {
		t.Fatal(err)
	}
	w.restore()
	after := w.watches(fd)
	if !slices.EqualFunc(after, before, func(a, b proc.InotifyWatch) bool {
		return a.WD == b.WD && a.Ino == b.Ino && a.Dev == b.Dev && a.Mask == b.Mask
	}) {
		t.Errorf("watches %+v, want %+v", after, before)
	}
	if n := unread(t, fd); n != 0 {
		t.Errorf("%d bytes of the restore's own events", n)
	}
	touch(t, filepath.Join(sub, "new"))
	event := readOnce(t, fd, 4096)
	if wd := binary.NativeEndian.Uint32([]byte(event)); wd != 4 {
		t.Errorf("event of watch %d, want 4", wd)
	}
	if len(w.Warnings) != 0 {
		t.Errorf("warnings %q", w.Warnings)
	}
}

func TestInotifyWarnsOfUnreadEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	fd := w.inotify(0)
	w.watch(fd, dir, unix.IN_CREATE)
	touch(t, filepath.Join(dir, "new"))
	before := unread(t, fd)
	w.all = []*Desc{w.desc(w.open(dir, unix.O_RDONLY, 0))}
	if _, err := Describe(w.saveContext(false), w.desc(fd)); err != nil {
		t.Fatal(err)
	}
	w.wantWarning("events", "not saved")
	if after := unread(t, fd); after != before || before == 0 {
		t.Errorf("%d bytes of events became %d", before, after)
	}
}

func TestInotifyOfAFileWithoutName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "file")
	touch(t, path)
	w.open(path, unix.O_RDONLY, 0) // keeps the watch alive
	fd := w.inotify(0)
	w.watch(fd, path, unix.IN_MODIFY)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err := w.describe(fd)
	wantRefused(t, err, "inotify", "watch 1", "no name")
}

func TestInotifyWhatIsWatchedIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "sub")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	fd := w.inotify(0)
	w.watch(fd, dir, unix.IN_CREATE)
	w.all = []*Desc{w.desc(w.open(dir, unix.O_RDONLY, 0))}
	if _, err := w.describe(fd); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	err := w.tryRestore()
	if !errors.Is(err, syscall.ENOENT) {
		t.Fatalf("got %v, want ENOENT", err)
	}
	wantWords(t, err.Error(), dir, "watch 1")
}

func TestInotifyHighNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.desc(w.inotify(0))
	d.Info.Inotify = []proc.InotifyWatch{{WD: maxWatch + 1}}
	_, err := Describe(w.saveContext(false), d)
	wantRefused(t, err, "100001")
}

// Without CAP_DAC_READ_SEARCH what is watched is searched for.
func TestWatchFinderSearches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	touch(t, filepath.Join(deep, "file"))
	fd := w.inotify(0)
	w.watch(fd, filepath.Join(deep, "file"), unix.IN_MODIFY)
	for _, start := range []string{dir, filepath.Join(deep, "file")} {
		c := w.saveContext(true)
		c.All = []*Desc{w.desc(w.open(start, unix.O_RDONLY, 0))}
		f := newWatchFinder(c, os.Getpid())
		f.denied = true
		if got := f.find(w.watches(fd)[0]); got != filepath.Join(deep, "file") {
			t.Errorf("from %s: %q", start, got)
		}
	}
	c := w.saveContext(true)
	c.All = []*Desc{w.desc(w.open(dir, unix.O_RDONLY, 0))}
	f := newWatchFinder(c, os.Getpid())
	f.denied = true
	f.budget = 2
	if got := f.find(w.watches(fd)[0]); got != "" {
		t.Errorf("found %q without a budget", got)
	}
}
