package kind

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProcSelfComesBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		flags int
		pos   int64
	}{
		{"/proc/self/maps", unix.O_RDONLY, 100},
		{"/proc/self/status", unix.O_RDONLY, 0},
		{"/proc/self/mem", unix.O_RDWR, 0x7000},
		{"/proc/self/fd", unix.O_RDONLY | unix.O_DIRECTORY, 3},
		{"/proc/self", unix.O_RDONLY, 0},
		{"/proc/self", unix.O_PATH, 0},
		{fmt.Sprintf("/proc/self/task/%d/comm", os.Getpid()), unix.O_RDONLY, 0},
	} {
		w := newWorld(t)
		fd := w.open(c.name, c.flags, 0)
		if c.pos != 0 {
			if _, err := unix.Seek(fd, c.pos, 0); err != nil {
				t.Fatal(err)
			}
		}
		dup := w.keep(unix.Dup(fd)) // not close-on-exec
		before := w.desc(fd)
		if _, err := w.describe(fd, dup); err != nil {
			t.Fatal(err)
		}
		if kind := w.Manifest.Files[0].Kind; kind != "procself" {
			t.Errorf("%s is of kind %s", c.name, kind)
		}
		if strings.Contains(string(w.Manifest.Files[0].Detail), fmt.Sprint(os.Getpid())) {
			t.Errorf("the detail names the pid: %s", w.Manifest.Files[0].Detail)
		}
		w.restore()
		after := w.desc(fd)
		if after.Link != before.Link || after.Info.Pos != before.Info.Pos || after.Info.Flags != before.Info.Flags {
			t.Errorf("%s: got %+v, want %+v", c.name, after, before)
		}
		if got := w.desc(dup); got.Link != before.Link || got.Info.Flags&unix.O_CLOEXEC != 0 {
			t.Errorf("%s: duplicate %+v", c.name, got)
		}
	}
}

func TestFilesOfOtherProcessesAreRefused(t *testing.T) {
	t.Parallel()
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	dir := fmt.Sprintf("/proc/%d", child.Process.Pid)
	for _, name := range []string{dir, dir + "/stat", dir + "/fd"} {
		for _, flags := range []int{unix.O_RDONLY, unix.O_PATH} {
			w := newWorld(t)
			_, err := w.describe(w.open(name, flags, 0))
			wantRefused(t, err, "fd ", name, "another process")
		}
	}
}

// A thread's number is another one in the restored process.
func TestFilesOfThreads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := &Desc{PID: 17, FD: 3, Link: "/proc/17/task/18/maps"}
	err := procself{}.Save(w.saveContext(false), d, nil)
	wantRefused(t, err, "/proc/17/task/18/maps", "thread")
}
