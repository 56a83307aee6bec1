package kind

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPathComesBack(t *testing.T) {
	t.Parallel()
	name := file(t, "x")
	link, fifo := name+".link", name+".fifo"
	if err := os.Symlink("/nowhere", link); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path  string
		flags int
	}{
		{name, unix.O_PATH},
		{link, unix.O_PATH | unix.O_NOFOLLOW},
		{fifo, unix.O_PATH},
		{"/", unix.O_PATH | unix.O_DIRECTORY},
		{"/dev/null", unix.O_PATH},
	} {
		w := newWorld(t)
		fd := w.open(c.path, c.flags, 0)
		before := w.desc(fd)
		w.save(fd)
		if kind := w.Manifest.Files[0].Kind; kind != "path" {
			t.Errorf("%s is of kind %s", c.path, kind)
		}
		w.restore()
		after := w.desc(fd)
		if after.Link != before.Link || after.Stat.Ino != before.Stat.Ino || after.Info.Flags&unix.O_PATH == 0 {
			t.Errorf("got %+v, want %+v", after, before)
		}
	}
}

func TestPathThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "x")
	fd := w.open(name, unix.O_PATH, 0)
	w.save(fd)
	remove(t, name)
	_, err := w.describe(fd)
	wantRefused(t, err, name, "removed or replaced")
	wantRefused(t, w.tryRestore(), "fd ", name, "missing")
	if err := os.Mkdir(name, 0o755); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, w.tryRestore(), "fd ", name, "another type")
}
