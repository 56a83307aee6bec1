package kind

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func statOf(t *testing.T, fd int) sys.FileStat {
	t.Helper()
	st, err := sys.StatFD(fd)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestDeletedComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "")
	fd := w.open(name, unix.O_RDWR|unix.O_APPEND, 0)
	remove(t, name)
	const size = 1 << 30 // of which nearly all is a hole
	if err := unix.Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	writeAll(t, fd, "the end")
	if _, err := unix.Seek(fd, size+4, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fchmod(fd, 0o4710); err != nil {
		t.Fatal(err)
	}
	if err := sys.SetMtime(fd, 1234567890123456789); err != nil {
		t.Fatal(err)
	}
	before, flags := statOf(t, fd), flagsOf(t, fd)
	w.save(fd)
	if len(w.Payload) > 1<<20 {
		t.Errorf("%d bytes in the image for a hole", len(w.Payload))
	}
	w.restore()
	after := statOf(t, fd)
	if after.Size != before.Size || after.Mode != before.Mode || after.Mtime != before.Mtime || after.Nlink != 0 || after.Blocks > before.Blocks+64 {
		t.Errorf("got %+v, want %+v", after, before)
	}
	if got := flagsOf(t, fd); got != flags {
		t.Errorf("flags %#o, want %#o", got, flags)
	}
	if got := posOf(t, fd); got != size+4 {
		t.Errorf("position %d", got)
	}
	b := make([]byte, 10)
	if n, err := unix.Read(fd, b); err != nil || string(b[:n]) != "end" {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if len(w.Warnings) != 0 {
		t.Errorf("warnings: %q", w.Warnings)
	}
	if entries, _ := os.ReadDir(filepath.Dir(name)); len(entries) != 0 {
		t.Errorf("left in its directory: %v", entries)
	}
}

// Two open files of one deleted file go on seeing each other's writes, and the
// content is in the image once. The one for writing may do what the mode of
// the file would forbid it today.
func TestDeletedIsShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := filepath.Join(t.TempDir(), "log")
	writer := w.open(name, unix.O_CREAT|unix.O_WRONLY, 0o400)
	reader := w.open(name, unix.O_RDONLY, 0)
	remove(t, name)
	writeAll(t, writer, "one,")
	w.save(writer, reader)
	if string(w.Payload) != "one," {
		t.Errorf("payload %q", w.Payload)
	}
	w.restore()
	writeAll(t, writer, "two")
	if got := readAt(t, reader, 10); got != "one,two" {
		t.Errorf("read %q", got)
	}
	if a, b := statOf(t, writer), statOf(t, reader); a.Ino != b.Ino || a.Mode&sys.ModePerm != 0o400 {
		t.Errorf("%+v and %+v", a, b)
	}
	if flagsOf(t, writer)&unix.O_ACCMODE != unix.O_WRONLY || flagsOf(t, reader)&unix.O_ACCMODE != unix.O_RDONLY {
		t.Error("access modes changed")
	}
}

func TestTmpfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	fd := w.open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	writeAll(t, fd, "never had a name")
	w.save(fd)
	w.restore()
	if got := readAt(t, fd, 100); got != "never had a name" {
		t.Errorf("content %q", got)
	}
}

// A file of O_TMPFILE that was given a name is an ordinary file.
func TestLinkedTmpfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := filepath.Join(t.TempDir(), "named")
	fd := w.open(filepath.Dir(name), unix.O_TMPFILE|unix.O_RDWR, 0o600)
	writeAll(t, fd, "text")
	if err := unix.Linkat(unix.AT_FDCWD, sys.FDPath(fd), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW); err != nil {
		t.Fatal(err)
	}
	w.save(fd)
	w.restore()
	// Its link in /proc still tells the name that it never had, so it is saved
	// as one without a name.
	if got := readAt(t, fd, 10); got != "text" {
		t.Errorf("content %q", got)
	}
}

func TestDeletedWithItsDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "text")
	fd := w.open(name, unix.O_RDWR, 0)
	if err := os.RemoveAll(filepath.Dir(name)); err != nil {
		t.Fatal(err)
	}
	w.save(fd)
	w.restore()
	w.wantWarning("fd ", name, "/tmp")
	if got := readAt(t, fd, 10); got != "text" {
		t.Errorf("content %q", got)
	}
}

func TestDeletedTellsHostileImages(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*content){
		"size":            func(c *content) { c.Size = -1 },
		"other size":      func(c *content) { c.Size = 3 },
		"extent behind":   func(c *content) { c.Payload.Extents[0].Off = 1 << 40 },
		"negative extent": func(c *content) { c.Payload.Extents[0].Off = -8 },
		"long extent":     func(c *content) { c.Payload.Extents[0].Len = 1 << 62 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			path := file(t, "text")
			fd := w.open(path, unix.O_RDWR, 0)
			remove(t, path)
			w.save(fd)
			f := &w.Manifest.Files[0]
			det, err := detail[content](f)
			if err != nil {
				t.Fatal(err)
			}
			spoil(&det)
			if f.Detail, err = json.Marshal(det); err != nil {
				t.Fatal(err)
			}
			if err := w.tryRestore(); err == nil || !strings.Contains(err.Error(), image.ErrCorrupt.Error()) {
				t.Errorf("got %v, want %v", err, image.ErrCorrupt)
			}
		})
	}
}

// deletedMapping maps a deleted file and closes it.
func deletedMapping(t *testing.T, w *world, text string) *Desc {
	t.Helper()
	name := file(t, text)
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := unix.Mmap(fd, 0, 2*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	remove(t, name)
	_ = unix.Close(fd)
	maps, err := proc.Host().Process(os.Getpid()).Maps()
	if err != nil {
		t.Fatal(err)
	}
	for i := range maps {
		if maps[i].Path == name {
			return &Desc{
				PID: os.Getpid(), FD: -1, Link: name + " (deleted)", Area: &maps[i],
				Info: proc.FDInfo{Flags: unix.O_RDWR},
			}
		}
	}
	t.Fatal("mapping not found")
	return nil
}

func TestDeletedMapping(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("following /proc/PID/map_files needs a capability; TestDeletedMappingUnreadable is the other way")
	}
	w := newWorld(t)
	f, err := Describe(w.saveContext(true), deletedMapping(t, w, "mapped"))
	if err != nil {
		t.Fatal(err)
	}
	w.Manifest.Files = append(w.Manifest.Files, *f)
	w.restore()
	if det, err := detail[content](f); err != nil || det.FromMapping || det.Size != 6 || string(w.Payload) != "mapped" {
		t.Errorf("%+v, %v, payload %q", det, err, w.Payload)
	}
}

// Who may not read the file says so, and that its pages must do.
func TestDeletedMappingUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := deletedMapping(t, w, "mapped")
	c := w.saveContext(true)
	c.FS = proc.FS{Root: t.TempDir()} // no map_files there
	f, err := Describe(c, d)
	if err != nil {
		t.Fatal(err)
	}
	det, err := detail[content](f)
	page := int64(os.Getpagesize())
	if err != nil || f.Kind != "deleted" || !det.FromMapping || det.Size != 2*page {
		t.Fatalf("%s %+v, %v", f.Kind, det, err)
	}
	// Another area maps more of it.
	w.Manifest.Files = append(w.Manifest.Files, *f)
	w.Manifest.Processes[0].Areas = []image.Area{{Start: 0, End: image.Addr(page), Offset: uint64(4 * page), File: 0}}
	var size int64
	r := w.restoreContext(func(_ *image.OpenFile, fd *os.File) {
		size = statOf(t, int(fd.Fd())).Size
		_ = fd.Close()
	})
	defer r.Close()
	if err := Remake(r, f); err != nil {
		t.Fatal(err)
	}
	if size != 5*page {
		t.Errorf("size %d, want the end of the mappings, %d", size, 5*page)
	}
}
