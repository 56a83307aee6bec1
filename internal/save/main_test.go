package save

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/proc"
)

// build compiles testdata/*.c, once, and gives the path of target.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "save-test-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "target")
	for _, name := range []string{"target", "threads", "tree", "changing"} {
		gcc := exec.Command("gcc", "-O1", "-w", "-pthread", "-o", filepath.Join(dir, name), "testdata/"+name+".c")
		if out, err := gcc.CombinedOutput(); err != nil {
			return path, fmt.Errorf("gcc: %w\n%s", err, out)
		}
	}
	return path, nil
})

func TestMain(m *testing.M) {
	// What the tests were started with is not for the programs they start.
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, e := range fds {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	code := m.Run()
	if path, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// target is a running program of testdata/target.c.
type target struct {
	t     *testing.T
	pid   int
	lines chan string
	stdin interface{ Close() error }
	ended chan struct{}
	cmd   *exec.Cmd
}

func start(t *testing.T, args ...string) *target {
	t.Helper()
	return startAs(t, nil, args...)
}

func startAs(t *testing.T, attr *syscall.SysProcAttr, args ...string) *target {
	t.Helper()
	return startProgram(t, attr, "target", args...)
}

// startProgram starts another program of testdata.
func startProgram(t *testing.T, attr *syscall.SysProcAttr, name string, args ...string) *target {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(path), name), args...)
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := fromLastingThread(cmd.Start); err != nil {
		t.Fatal(err)
	}
	g := &target{t: t, cmd: cmd, pid: cmd.Process.Pid, stdin: stdin, lines: make(chan string, 1<<16), ended: make(chan struct{})}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			g.lines <- s.Text()
		}
		close(g.lines)
		cmd.Wait()
		close(g.ended)
	}()
	t.Cleanup(g.end)
	g.line()
	return g
}

// end kills the program. Tests that start many do it early: each of them is busy.
func (g *target) end() {
	g.cmd.Process.Kill()
	g.stdin.Close()
	<-g.ended
}

// fromLastingThread calls f on an OS thread that stays for as long as the tests run. Some
// programs get a signal when the thread ends that made them, and Save ends with its own.
func fromLastingThread(f func() error) error {
	done := make(chan error)
	starting() <- func() { done <- f() }
	return <-done
}

var starting = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range calls {
			f()
		}
	}()
	return calls
})

// line gives the next line of the program.
func (g *target) line() string {
	g.t.Helper()
	select {
	case l, ok := <-g.lines:
		if !ok {
			g.t.Fatal("the program has ended")
		}
		return l
	case <-time.After(20 * time.Second):
		g.t.Fatal("the program says nothing for 20 seconds")
	}
	return ""
}

// works waits until the program has done some rounds more, without a fault.
func (g *target) works() {
	g.t.Helper()
	for i := len(g.lines) + 5; i > 0; i-- {
		if l := g.line(); !strings.HasPrefix(l, "ok ") {
			g.t.Fatalf("the program said %q", l)
		}
	}
}

// trace is what an engine could leave behind in a process.
type trace struct {
	maps, mask, fds, tracer string
}

func (g *target) trace() trace {
	g.t.Helper()
	p := proc.Host().Process(g.pid)
	maps, err := os.ReadFile(p.Path("maps"))
	if err != nil {
		g.t.Fatal(err)
	}
	fds, err := p.FDs()
	if err != nil {
		g.t.Fatal(err)
	}
	st, err := p.Status()
	if err != nil {
		g.t.Fatal(err)
	}
	return trace{string(maps), fmt.Sprintf("%x", st.SigBlk), fmt.Sprint(fds), fmt.Sprint(st.TracerPid)}
}

// untouched checks that the program goes on as it was before.
func (g *target) untouched(before trace) {
	g.t.Helper()
	if now := g.trace(); now != before {
		g.t.Errorf("something was left in the process: %+v, before: %+v", now, before)
	}
	g.works()
}

// destination makes a directory with an older image in it.
func destination(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "myckpt")
	if err := os.WriteFile(path, []byte("an older image"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// intact checks that the older image is still there and nothing beside it.
func intact(t *testing.T, path string) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || string(b) != "an older image" {
		t.Errorf("the older image is lost: %v, %d bytes", err, len(b))
	}
	alone(t, path)
}

// alone checks that there are no files beside path.
func alone(t *testing.T, path string) {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{filepath.Base(path)}) {
		t.Errorf("files beside the image: %q", names)
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited too long for ", what)
		}
	}
}
