package kind

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// childEnv names the test that a child of the test process is to run.
const childEnv = "CKPT_KIND_CHILD"

// child is the command that runs the calling test in a process of its own, nil
// if this is that process.
func child(t *testing.T) *exec.Cmd {
	t.Helper()
	if os.Getenv(childEnv) == t.Name() {
		return nil
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), childEnv+"="+t.Name())
	return cmd
}

// inTerminal reports whether this process is the first one of a session in a
// terminal of its own. If not, it runs the calling test in one.
func inTerminal(t *testing.T) bool {
	t.Helper()
	cmd := child(t)
	if cmd == nil {
		return true
	}
	t.Parallel()
	master, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	var out bytes.Buffer
	_, _ = io.Copy(&out, master) // ends with EIO when the last one has closed the terminal
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return false
}

// withoutTerminal is inTerminal for a session that has no terminal at all.
func withoutTerminal(t *testing.T) bool {
	t.Helper()
	cmd := child(t)
	if cmd == nil {
		return true
	}
	t.Parallel()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// newTerminalWorld is a world that is restored to the terminal of this process.
func newTerminalWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for n := range w.Stdio {
		fd, err := sys.Dup(n)
		if err != nil {
			t.Fatal(err)
		}
		w.Stdio[n] = os.NewFile(uintptr(fd), "terminal")
	}
	return w
}

func termios(t *testing.T) sys.Termios {
	t.Helper()
	s, err := sys.TermiosOf(0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func setTermios(t *testing.T, s sys.Termios) {
	t.Helper()
	if err := sys.SetTermios(0, s); err != nil {
		t.Fatal(err)
	}
}

func sameFile(t *testing.T, a, b int) bool {
	t.Helper()
	order, err := sys.KcmpFile(os.Getpid(), a, os.Getpid(), b)
	if err != nil {
		t.Fatal(err)
	}
	return order == 0
}

func TestTerminalIsThatOfTheRestart(t *testing.T) {
	if !inTerminal(t) {
		return
	}
	w := newTerminalWorld(t)
	sane := termios(t)
	raw := sane
	raw.Lflag &^= unix.ICANON | unix.ECHO
	raw.Cc[unix.VMIN] = 3
	raw.Cflag |= unix.PARENB // of the line, not of the program
	setTermios(t, raw)
	own := w.open("/dev/tty", unix.O_RDWR|unix.O_NONBLOCK, 0)
	w.all = []*Desc{w.desc(0), w.desc(own)}
	for _, fds := range [][]int{{0, 1, 2}, {own}} {
		if _, err := w.describe(fds[0], fds[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	setTermios(t, sane)
	w.restore()
	got := termios(t)
	want := raw
	want.Cflag = sane.Cflag
	if got != want {
		t.Errorf("settings %+v, want %+v", got, want)
	}
	if !sameFile(t, 0, 1) || !sameFile(t, 0, 2) {
		t.Error("0, 1 and 2 are not one open file any more")
	}
	if sameFile(t, 0, int(w.Stdio[0].Fd())) || sameFile(t, 0, own) {
		t.Error("the open file is shared with somebody")
	}
	if flagsOf(t, 0)&unix.O_NONBLOCK != 0 || flagsOf(t, own)&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#o, %#o", flagsOf(t, 0), flagsOf(t, own))
	}
	if len(w.Warnings) != 0 {
		t.Errorf("warnings %q", w.Warnings)
	}
}

func TestTerminalOfAnotherSize(t *testing.T) {
	if !inTerminal(t) {
		return
	}
	w := newTerminalWorld(t)
	w.save(0)
	winch := make(chan os.Signal, 10)
	signal.Notify(winch, syscall.SIGWINCH)
	for i := range uint16(2) {
		if err := unix.IoctlSetWinsize(0, unix.TIOCSWINSZ, &unix.Winsize{Row: 40 + i, Col: 100}); err != nil {
			t.Fatal(err)
		}
		wait(t, winch) // the kernel's own
		w.restore()
		wait(t, winch)
	}
}

func wait(t *testing.T, c <-chan os.Signal) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("no signal")
	}
}

func TestTerminalRedirectedByTheRestart(t *testing.T) {
	if !inTerminal(t) {
		return
	}
	w := newTerminalWorld(t)
	w.Stdio[2] = tempFile(t, "", unix.O_WRONLY)
	w.all = []*Desc{w.desc(0)}
	extra := w.keep(unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 20))
	if _, err := w.describe(0, 2, extra); err != nil {
		t.Fatal(err)
	}
	w.restore()
	if !sameFile(t, 2, int(w.Stdio[2].Fd())) {
		t.Error("2 is not that of the restart")
	}
	if !sameFile(t, 0, extra) {
		t.Error("a duplicate of 0 is another open file")
	}
	w.wantWarning("fd 2", "no terminal")
}

func TestTerminalInTheBackground(t *testing.T) {
	if !inTerminal(t) {
		return
	}
	w := newTerminalWorld(t)
	sane := termios(t)
	w.save(0)
	cmd := exec.Command("/bin/sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Foreground: true, Ctty: 0}
	cmd.Stdin = os.Stdin
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	f, err := Describe(w.saveContext(true), w.desc(0))
	if err != nil {
		t.Fatal(err)
	}
	if det, err := detail[ttyDetail](f); err != nil || det.Termios != nil {
		t.Errorf("%+v, %v: settings of another program are saved", det, err)
	}
	det, err := detail[ttyDetail](&w.Manifest.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	det.Termios.Lflag ^= unix.ECHO
	if err := setDetail(&w.Manifest.Files[0], det); err != nil {
		t.Fatal(err)
	}
	w.restore()
	w.wantWarning("in the background")
	if got := termios(t); got != sane {
		t.Errorf("settings %+v, want %+v", got, sane)
	}
}

// savedTTY is a world with a terminal at number n.
func savedTTY(t *testing.T, n int, det ttyDetail) *world {
	t.Helper()
	w := newWorld(t)
	w.Manifest.Files = []image.OpenFile{{Kind: "tty", Path: "/dev/pts/5", Flags: unix.O_RDWR}}
	w.Manifest.Processes[0].Descriptors = []image.Descriptor{{FD: n}}
	if err := setDetail(&w.Manifest.Files[0], det); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestNoTerminalAtTheRestart(t *testing.T) {
	if !withoutTerminal(t) {
		return
	}
	wantRefused(t, savedTTY(t, 9, ttyDetail{Number: -1}).tryRestore(), "/dev/pts/5", "no terminal", "script(1)")

	for _, n := range []int{0, 9} {
		w := savedTTY(t, n, ttyDetail{Number: 0, Termios: &sys.Termios{}})
		w.Stdio[0] = tempFile(t, "instead", unix.O_RDONLY)
		w.restore()
		w.wantWarning("no terminal here", "own 0")
		if got := readAt(t, n, 100); got != "instead" {
			t.Errorf("read %q", got)
		}
	}
	w := savedTTY(t, 9, ttyDetail{Number: 3})
	if err := w.tryRestore(); err == nil {
		t.Error("restored a terminal that was on 3")
	}
}

func TestTerminalsThatAreRefused(t *testing.T) {
	t.Parallel()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	w := newWorld(t)
	w.all = []*Desc{w.desc(int(slave.Fd()))}
	_, err = w.describe(int(slave.Fd()))
	wantRefused(t, err, slave.Name(), "neither")
}
