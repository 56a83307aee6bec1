package kind

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// file creates a file with a content in a directory of the test.
func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "data")
	write(t, name, content)
	return name
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func textOf(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRegularComesBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		flags int
	}{
		{"read", unix.O_RDONLY},
		{"write", unix.O_WRONLY},
		{"both", unix.O_RDWR},
		{"append", unix.O_WRONLY | unix.O_APPEND},
		{"nonblock", unix.O_RDWR | unix.O_NONBLOCK},
		{"sync", unix.O_RDWR | unix.O_DSYNC},
		{"noatime", unix.O_RDONLY | unix.O_NOATIME},
		{"created", unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			name := file(t, "0123456789")
			fd := w.open(name, c.flags, 0o644)
			want := "0123456789"
			if c.flags&unix.O_TRUNC != 0 {
				writeAll(t, fd, want)
			}
			if _, err := unix.Seek(fd, 7, 0); err != nil {
				t.Fatal(err)
			}
			flags := flagsOf(t, fd)
			w.save(fd)
			w.restore()
			if got := flagsOf(t, fd); got != flags {
				t.Errorf("flags %#o, want %#o", got, flags)
			}
			if got := posOf(t, fd); got != 7 {
				t.Errorf("position %d, want 7", got)
			}
			if got := textOf(t, name); got != want {
				t.Errorf("content %q, want %q", got, want)
			}
			if len(w.Warnings) != 0 {
				t.Errorf("warnings: %q", w.Warnings)
			}
		})
	}
}

func TestDuplicatesShareTheirOffset(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.open(file(t, "0123456789"), unix.O_RDONLY, 0)
	dup := w.keep(unix.Dup(fd)) // not close-on-exec
	if _, err := w.describe(fd, dup); err != nil {
		t.Fatal(err)
	}
	w.restore()
	if _, err := unix.Seek(fd, 4, 0); err != nil {
		t.Fatal(err)
	}
	if got := posOf(t, dup); got != 4 {
		t.Errorf("the duplicate is at %d, want 4", got)
	}
	for n, want := range map[int]int{fd: unix.FD_CLOEXEC, dup: 0} {
		if got, _ := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); got != want {
			t.Errorf("descriptor flags of %d: %d, want %d", n, got, want)
		}
	}
}

// What an image says must not make an open that changes the file.
func TestHostileFlagsDoNotTruncate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "keep me")
	w.save(w.open(name, unix.O_RDWR, 0))
	w.Manifest.Files[0].Flags |= unix.O_TRUNC | unix.O_CREAT
	w.restore()
	if got := textOf(t, name); got != "keep me" {
		t.Errorf("content %q", got)
	}
}

func TestMissingFileIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "x")
	w.save(w.open(name, unix.O_RDONLY, 0))
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, w.tryRestore(), "fd ", name, "missing", "put it back")
}

func TestFileThatBecameSomethingElse(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(string) error{
		"directory": func(p string) error { return os.Mkdir(p, 0o755) },
		"fifo":      func(p string) error { return unix.Mkfifo(p, 0o644) }, // an open would wait
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			name := file(t, "x")
			w.save(w.open(name, unix.O_RDONLY, 0))
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
			if err := make(name); err != nil {
				t.Fatal(err)
			}
			wantRefused(t, w.tryRestore(), name, "not a regular file")
		})
	}
}

// A file that was renamed over while it was open is not the one at its name,
// even if it has another name somewhere.
func TestReplacedWhileOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "old")
	fd := w.open(name, unix.O_RDONLY, 0)
	if err := os.Link(name, name+".link"); err != nil {
		t.Fatal(err)
	}
	write(t, name+".new", "new")
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	w.save(fd)
	w.wantWarning("fd ", name, "its content is saved")
	w.restore()
	if got := readAt(t, fd, 10); got != "old" {
		t.Errorf("content %q, want the old one", got)
	}
	if got := textOf(t, name); got != "new" {
		t.Errorf("the new file has %q", got)
	}
}

// /proc and /sys change their sizes and times whenever one looks.
func TestPseudoFilesAreNotCompared(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"/proc/meminfo", "/sys/kernel/mm/transparent_hugepage/enabled"} {
		w := newWorld(t)
		fd := w.keep(unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0))
		if _, err := unix.Read(fd, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		w.save(fd)
		det, err := detail[identity](&w.Manifest.Files[0])
		if err != nil || !det.Pseudo {
			t.Errorf("%s: %+v, %v: not seen as pseudo", name, det, err)
		}
		w.Policy = Policy{Grown: GrownFail, Changed: ChangedFail}
		w.restore()
		if got := posOf(t, fd); got != 5 {
			t.Errorf("%s: position %d, want 5", name, got)
		}
	}
}

// mapping describes a file that only a mapping refers to.
func mapping(t *testing.T, w *world, name string, flags int) *image.OpenFile {
	t.Helper()
	st, err := sys.StatPath(name)
	if err != nil {
		t.Fatal(err)
	}
	d := &Desc{
		PID: os.Getpid(), FD: -1, Link: name, Info: proc.FDInfo{Flags: uint32(flags)},
		Area: &proc.VMA{Path: name, Inode: st.Ino, End: 0x1000},
	}
	f, err := Describe(w.saveContext(true), d)
	if err != nil {
		t.Fatal(err)
	}
	f.ID = len(w.Manifest.Files)
	w.Manifest.Files = append(w.Manifest.Files, *f)
	return f
}

func TestMappedFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "mapped")
	f := mapping(t, w, name, unix.O_RDONLY)
	if f.Kind != "regular" {
		t.Fatalf("kind %s", f.Kind)
	}
	w.restore()
	if err := Unchanged(f); err != nil {
		t.Error(err)
	}
	write(t, name, "mapped and grown")
	if err := Unchanged(f); err == nil {
		t.Error("a grown file counts as unchanged")
	}
	w.restore()
	w.wantWarning("mapped file "+name, "grown by 10 bytes")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := Unchanged(f); err == nil {
		t.Error("a missing file counts as unchanged")
	}
	wantRefused(t, w.tryRestore(), "mapped file", name, "missing")
}

func TestUnchangedIsStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "library")
	f := mapping(t, w, name, unix.O_RDONLY)
	st, err := sys.StatPath(name)
	if err != nil {
		t.Fatal(err)
	}
	// An upgrade that puts back size and time still shows in ctime or inode.
	write(t, name+".new", "LIBRARY")
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	fd := w.open(name, unix.O_RDWR, 0)
	if err := sys.SetMtime(fd, st.Mtime); err != nil {
		t.Fatal(err)
	}
	if err := Unchanged(f); err == nil {
		t.Error("a replaced file counts as unchanged")
	}
}
