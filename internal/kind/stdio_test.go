package kind

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// asStdin puts fd at number 0 of the test process until the test ends. Tests
// that use it can not be parallel.
func (w *world) asStdin(fd int) {
	w.t.Helper()
	old, err := sys.Dup(0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = unix.Dup3(old, 0, 0)
		_ = unix.Close(old)
	})
	if err := unix.Dup3(fd, 0, 0); err != nil {
		w.t.Fatal(err)
	}
}

// tempFile makes a file with that content and opens it.
func tempFile(t *testing.T, content string, flags int) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := sys.OpenFile(path, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestPipeOnStdinIsThatOfTheRestart(t *testing.T) {
	w := newWorld(t)
	r, wr := w.pipe(0)
	writeAll(t, wr, "from the shell")
	w.asStdin(r)
	w.shut(r)
	w.save(0)
	if kind := w.Manifest.Files[0].Kind; kind != "stdio" {
		t.Errorf("kind %q", kind)
	}
	w.wantWarning("fd 0", "14 bytes")
	w.Stdio[0] = tempFile(t, "from the restart", unix.O_RDONLY)
	w.restore()
	if got := readOnce(t, 0, 100); got != "from the restart" {
		t.Errorf("read %q", got)
	}
}

// A writer that has ended leaves what it wrote.
func TestPipeOnStdinWhoseWriterHasEnded(t *testing.T) {
	w := newWorld(t)
	r, wr := w.pipe(0)
	writeAll(t, wr, "all there was")
	w.asStdin(r)
	w.shut(r)
	w.shut(wr)
	w.save(0)
	w.restore()
	if got := readOnce(t, 0, 100); got != "all there was" {
		t.Errorf("read %q", got)
	}
	if got := readOnce(t, 0, 100); got != "" {
		t.Errorf("read %q, want the end", got)
	}
}

func TestSocketOnStdin(t *testing.T) {
	w := newWorld(t)
	w.asStdin(w.open("/dev/null", unix.O_RDWR, 0))
	listen := w.keep(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	if err := unix.Listen(listen, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(listen, 0, 0); err != nil {
		t.Fatal(err)
	}
	f, err := w.describe(0)
	if err != nil || f.Kind != "given" {
		t.Fatalf("%+v, %v", f, err)
	}
	w.Manifest.Files, w.Manifest.Processes[0].Descriptors = nil, nil

	client := w.keep(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	name, err := unix.Getsockname(listen)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(client, name); err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(client, 0, 0); err != nil {
		t.Fatal(err)
	}
	w.save(0)
	w.Stdio[0] = tempFile(t, "here", unix.O_RDONLY)
	w.restore()
	if got := readOnce(t, 0, 100); got != "here" {
		t.Errorf("read %q", got)
	}
}

// inherit makes a pipe that was one open file at the numbers from stdio.
func inheritNumbers(t *testing.T, stdio [3]*os.File, flags int, numbers ...int) (map[int]*os.File, []string) {
	t.Helper()
	m := image.Manifest{Processes: make([]image.Process, 1), Files: []image.OpenFile{{Kind: "stdio", Flags: flags}}}
	if err := setDetail(&m.Files[0], stdioDetail{Number: numbers[0]}); err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		m.Processes[0].Descriptors = append(m.Processes[0].Descriptors, image.Descriptor{FD: n})
	}
	made := map[int]*os.File{}
	var warnings []string
	r := &RestoreContext{
		Manifest: &m, Process: &m.Processes[0], Stdio: stdio,
		Made:   func(*image.OpenFile, *os.File) { t.Error("Made was called: flags and offset would be put back") },
		MadeAt: func(_ *image.OpenFile, n int, fd *os.File) { made[n] = fd },
		Warn:   func(object, text string) { warnings = append(warnings, object+": "+text) },
	}
	if err := Remake(r, &m.Files[0]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range made {
			fd.Close()
		}
	})
	return made, warnings
}

func TestStdioComesBackAsWhatTheRestartHas(t *testing.T) {
	t.Parallel()
	out, log := tempFile(t, "out", unix.O_RDWR), tempFile(t, "log", unix.O_WRONLY|unix.O_APPEND)
	if _, err := out.Seek(2, 0); err != nil {
		t.Fatal(err)
	}
	made, warnings := inheritNumbers(t, [3]*os.File{nil, out, log}, unix.O_WRONLY|unix.O_NONBLOCK, 1, 2, 7)
	for n, want := range map[int]*os.File{1: out, 2: log, 7: out} {
		same, err := sys.KcmpFile(os.Getpid(), int(made[n].Fd()), os.Getpid(), int(want.Fd()))
		if err != nil || same != 0 {
			t.Errorf("%d is not %s: %v", n, want.Name(), err)
		}
	}
	if pos := posOf(t, int(made[7].Fd())); pos != 2 {
		t.Errorf("position %d, want 2", pos)
	}
	if flags := flagsOf(t, int(made[2].Fd())); flags&(unix.O_APPEND|unix.O_NONBLOCK) != unix.O_APPEND|unix.O_NONBLOCK {
		t.Errorf("flags %#o", flags)
	}
	if len(warnings) != 0 {
		t.Errorf("warnings %q", warnings)
	}
}

func TestStdioThatTheRestartHasNot(t *testing.T) {
	t.Parallel()
	made, warnings := inheritNumbers(t, [3]*os.File{}, unix.O_RDONLY, 0)
	if name := made[0].Name(); name != "/dev/null" {
		t.Errorf("%s", name)
	}
	if len(warnings) != 1 {
		t.Fatalf("warnings %q", warnings)
	}
	wantWords(t, warnings[0], "fd 0", "closed", "/dev/null")
}

func TestStdioWithHostileNumber(t *testing.T) {
	t.Parallel()
	for _, n := range []int{-1, 3, 1 << 40} {
		w := newWorld(t)
		w.Manifest.Files = []image.OpenFile{{Kind: "stdio"}}
		w.Manifest.Processes[0].Descriptors = []image.Descriptor{{FD: 300}}
		if err := setDetail(&w.Manifest.Files[0], stdioDetail{Number: n}); err != nil {
			t.Fatal(err)
		}
		w.t.Cleanup(func() { unix.Close(300) })
		if err := w.tryRestore(); !errors.Is(err, image.ErrCorrupt) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// What waited for a pipe can not wait for a plain file.
func TestEpollOfStdinThatIsAFileNow(t *testing.T) {
	w := newWorld(t)
	r, wr := w.pipe(0)
	w.asStdin(r)
	w.shut(r)
	ep := w.epoll()
	w.register(ep, 0, sys.EpollIn, 5)
	w.save(0, ep)
	w.Stdio[0] = tempFile(t, "x", unix.O_RDONLY)
	w.restore()
	w.wantWarning("fd 0", "left out")
	if list := w.registrations(ep); len(list) != 0 {
		t.Errorf("%+v", list)
	}

	w.Warnings = nil
	r2, wr2 := w.pipe(0)
	f, err := sys.Reopen(r2, unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w.Stdio[0] = f
	w.restore()
	writeAll(t, wr2, "x")
	if got := ready(t, ep); len(got) != 1 || got[0] != 5 {
		t.Errorf("ready %x", got)
	}
	if _, err := unix.Write(wr, []byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to the old pipe: %v", err)
	}
}
