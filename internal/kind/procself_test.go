package kind

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/proc"
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
	c := w.saveContext(false)
	c.PIDs = []int{17}
	err := procself{}.Save(c, d, nil)
	wantRefused(t, err, "/proc/17/task/18/maps", "thread")
}

// What one process of the image has of another one is opened by that one's
// number, when it is there.
func TestFilesOfProcessesOfTheImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.saveContext(false)
	c.PIDs = []int{100, 200}
	f := &w.Manifest.Files
	*f = append(*f, image.OpenFile{Kind: "procself"}, image.OpenFile{Kind: "pidfd"})
	if err := (procself{}).Save(c, &Desc{PID: 100, FD: 3, Link: "/proc/200/task/200/stat"}, &(*f)[0]); err != nil {
		t.Fatal(err)
	}
	info := proc.FDInfo{PidFD: &proc.PidFD{PID: 200}}
	if err := (pidfd{}).Save(c, &Desc{PID: 100, FD: 4, Link: "anon_inode:[pidfd]", Info: info}, &(*f)[1]); err != nil {
		t.Fatal(err)
	}
	w.Manifest.Processes[0].PID = 100
	r := w.restoreContext(nil)
	r.PIDs = map[int]int{100: 11, 200: 12}
	b := plan.NewBuilder()
	r.Late = func(_ *image.OpenFile, open func(*plan.Builder, plan.Slot)) { open(b, b.Slot()) }
	for i := range r.Manifest.Files {
		if err := kindNamed(r.Manifest.Files[i].Kind).Remake(r, &r.Manifest.Files[i]); err != nil {
			t.Fatal(err)
		}
	}
	b.Call("end", abi.SysExitGroup)
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Ops[0].What; got != "open /proc/12/task/12/stat" {
		t.Error(got)
	}
	if op := p.Ops[1]; op.Nr != abi.SysPidfdOpen || op.Args[0] != plan.Int(12) {
		t.Errorf("%+v", op)
	}
}
