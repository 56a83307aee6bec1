package kind

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

func TestMemfdComesBack(t *testing.T) {
	t.Parallel()
	const all = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	for _, c := range []struct {
		name         string
		flags, seals int
	}{
		{"plain", 0, 0}, // has F_SEAL_SEAL
		{"sealable", unix.MFD_ALLOW_SEALING, 0},
		{"noexec", unix.MFD_NOEXEC_SEAL, 0},
		{"size", unix.MFD_ALLOW_SEALING, unix.F_SEAL_SHRINK | unix.F_SEAL_GROW},
		{"future write", unix.MFD_ALLOW_SEALING, unix.F_SEAL_FUTURE_WRITE},
		{"all", unix.MFD_ALLOW_SEALING, all},
		{"strange (deleted)", unix.MFD_ALLOW_SEALING, all},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			fd := w.keep(unix.MemfdCreate(c.name, c.flags|unix.MFD_CLOEXEC))
			writeAll(t, fd, "text")
			if err := unix.Ftruncate(fd, 1<<30); err != nil {
				t.Fatal(err)
			}
			if c.seals != 0 {
				if err := sys.AddSeals(fd, c.seals); err != nil {
					t.Fatal(err)
				}
			}
			seals, err := sys.Seals(fd)
			if err != nil {
				t.Fatal(err)
			}
			link := w.desc(fd).Link
			before := statOf(t, fd)
			w.save(fd)
			if w.Manifest.Files[0].Kind != "memfd" || len(w.Payload) > 1<<16 {
				t.Errorf("kind %s, %d bytes", w.Manifest.Files[0].Kind, len(w.Payload))
			}
			w.restore()
			if got, err := sys.Seals(fd); err != nil || got != seals {
				t.Errorf("seals %#x, %v, want %#x", got, err, seals)
			}
			if got := w.desc(fd).Link; got != link {
				t.Errorf("link %q, want %q", got, link)
			}
			after := statOf(t, fd)
			if after.Size != before.Size || after.Mode != before.Mode || after.Ino == before.Ino {
				t.Errorf("got %+v, want %+v", after, before)
			}
			if got := posOf(t, fd); got != 4 {
				t.Errorf("position %d", got)
			}
			if got := readAt(t, fd, 4); got != "text" {
				t.Errorf("content %q", got)
			}
			_, err = unix.Write(fd, []byte("x"))
			sealed := seals&(unix.F_SEAL_WRITE|unix.F_SEAL_FUTURE_WRITE) != 0
			if (err == nil) == sealed {
				t.Errorf("write: %v with seals %#x", err, seals)
			}
		})
	}
}

// The seals go to the file, whichever of its descriptors is saved first: that
// need not be one for writing.
func TestMemfdIsShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base, err := sys.CreateMemfd("shared", sys.MFDAllowSealing)
	if err != nil {
		t.Fatal(err)
	}
	reader := w.open(sys.FDPath(int(base.Fd())), unix.O_RDONLY, 0)
	writer := w.open(sys.FDPath(int(base.Fd())), unix.O_RDWR, 0)
	_ = base.Close()
	writeAll(t, writer, "one,")
	if err := sys.AddSeals(writer, unix.F_SEAL_SHRINK); err != nil {
		t.Fatal(err)
	}
	w.save(reader, writer)
	w.restore()
	writeAll(t, writer, "two")
	if got := readAt(t, reader, 10); got != "one,two" {
		t.Errorf("read %q", got)
	}
	if got, err := sys.Seals(reader); err != nil || got != unix.F_SEAL_SHRINK {
		t.Errorf("seals %#x, %v", got, err)
	}
	if err := unix.Ftruncate(writer, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("shrink: %v", err)
	}
}

func TestMemfdMapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.saveContext(true)
	c.FS = proc.FS{Root: t.TempDir()} // no map_files there
	f, err := Describe(c, &Desc{
		PID: os.Getpid(), FD: -1, Link: "/memfd:jit (deleted)",
		Area: &proc.VMA{Path: "/memfd:jit", Deleted: true, Start: 0x1000, End: 0x4000, Offset: 0x1000, Inode: 7},
	})
	if err != nil {
		t.Fatal(err)
	}
	det, err := detail[memfdDetail](f)
	if err != nil || f.Kind != "memfd" || det.Name != "jit" || !det.FromMapping || det.Size != 0x4000 {
		t.Errorf("%s %+v, %v", f.Kind, det, err)
	}
}

func TestMemfdOfHugePagesIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd, err := unix.MemfdCreate("huge", unix.MFD_HUGETLB|unix.MFD_CLOEXEC)
	if err != nil {
		t.Skipf("this kernel makes no such memfd: %v", err)
	}
	_, err = w.describe(w.keep(fd, nil))
	wantRefused(t, err, "/memfd:huge", "huge pages")
}
