package ptrace_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/ptrace"
)

// programs is where the C targets are built, once for each set of flags.
var programs struct {
	dir   string
	mu    sync.Mutex
	built map[string]string
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "engine":
			engineMain(os.Args[2:])
		case "go-worker":
			goWorker()
		case "seize":
			tid, _ := strconv.Atoi(os.Args[2])
			_, err := ptrace.Seize(tid)
			fmt.Println(err)
			os.Exit(0)
		}
	}
	dir, err := os.MkdirTemp("", "ptrace-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	programs.dir, programs.built = dir, map[string]string{}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// build compiles testdata/NAME.c.
func build(t testing.TB, name string, flags ...string) string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	key := name + strings.Join(flags, "")
	if path := programs.built[key]; path != "" {
		return path
	}
	path := filepath.Join(programs.dir, key)
	args := append([]string{"-O2", "-w", "-pthread", "-o", path, "testdata/" + name + ".c"}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %v: %v\n%s", args, err, out)
	}
	programs.built[key] = path
	return path
}

// target is a running program that prints lines.
type target struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines chan string
	pid   int
	tid   int // of the thread that works
}

func start(t testing.TB, path string, args ...string) *target {
	t.Helper()
	return startWith(t, nil, path, args...)
}

func startWith(t testing.TB, stdin *os.File, path string, args ...string) *target {
	t.Helper()
	cmd := exec.Command(path, args...)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g := &target{t: t, cmd: cmd, pid: cmd.Process.Pid, tid: cmd.Process.Pid, lines: make(chan string, 1<<16)}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			g.lines <- s.Text()
		}
		close(g.lines)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return g
}

// line gives the next line.
func (g *target) line() string {
	g.t.Helper()
	select {
	case l, ok := <-g.lines:
		if !ok {
			g.t.Fatalf("target ended: %v", g.cmd.Wait())
		}
		return l
	case <-time.After(20 * time.Second):
		g.t.Fatal("target says nothing for 20 seconds")
	}
	return ""
}

// worker starts a worker and waits until it works.
func worker(t testing.TB, path, mode string) *target {
	t.Helper()
	g := start(t, path, mode)
	l := g.line()
	if _, err := fmt.Sscanf(l, "tid %d", &g.tid); err != nil {
		t.Fatalf("worker said %q: %v", l, err)
	}
	return g
}

// works waits until the worker has finished n rounds more that began now.
func (g *target) works(n int) {
	g.t.Helper()
	for len(g.lines) > 0 {
		g.check(g.line())
	}
	for range n + 1 {
		g.check(g.line())
	}
}

func (g *target) check(l string) {
	g.t.Helper()
	if !strings.HasPrefix(l, "ok ") {
		g.t.Fatalf("worker said %q", l)
	}
}

// locked locks the OS thread for the test: one goroutine traces.
func locked(t testing.TB) {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
}

// stopped seizes and stops the target's thread and detaches it in the end.
func (g *target) stopped() *ptrace.Thread {
	g.t.Helper()
	th, err := ptrace.Seize(g.tid)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := th.Stop(5 * time.Second); err != nil {
		g.t.Fatal(err)
	}
	return th
}

// stopAll stops every thread of the target, until no new one appears.
func (g *target) stopAll() map[int]*ptrace.Thread {
	g.t.Helper()
	all := map[int]*ptrace.Thread{}
	for more := true; more; {
		more = false
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", g.pid))
		if err != nil {
			g.t.Fatal(err)
		}
		for _, e := range tasks {
			tid, _ := strconv.Atoi(e.Name())
			if all[tid] != nil {
				continue
			}
			th, err := ptrace.Seize(tid)
			if err == nil {
				err = th.Stop(5 * time.Second)
			}
			if errors.Is(err, ptrace.ErrGone) {
				continue
			} else if err != nil {
				g.t.Fatal(err)
			}
			all[tid], more = th, true
		}
	}
	return all
}

func (g *target) detach(th *ptrace.Thread) {
	g.t.Helper()
	if err := th.Detach(); err != nil {
		g.t.Fatal(err)
	}
}

// options finds what Inject needs to know about a process.
func options(pid int) (o ptrace.Options, maps string, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return o, "", err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return o, "", err
	}
	var texts []ptrace.Text
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		lo, hi, _ := strings.Cut(f[0], "-")
		from, _ := strconv.ParseUint(lo, 16, 64)
		to, _ := strconv.ParseUint(hi, 16, 64)
		path := ""
		if len(f) > 5 {
			path = f[5]
		}
		if path == "[stack]" {
			o.Stack = ptrace.Range{Start: from, End: to}
		}
		if f[1][2] == 'x' {
			texts = append(texts, ptrace.Text{Start: from, End: to, Path: path})
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return o, "", err
	}
	_, caught, _ := strings.Cut(string(status), "SigCgt:\t")
	set, err := strconv.ParseUint(caught[:16], 16, 64)
	if err != nil {
		return o, "", err
	}
	o.Ignored = ^set
	o.Mem = mem
	o.Gadgets, err = ptrace.FindGadgets(mem, texts)
	return o, string(b), err
}

func (g *target) options() (ptrace.Options, string) {
	g.t.Helper()
	o, maps, err := options(g.pid)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { o.Mem.(*os.File).Close() })
	return o, maps
}

// waitFor waits until the condition holds.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited too long for ", what)
		}
	}
}

// state gives the state letter of a thread.
func state(tid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", tid))
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:min(1, len(rest))]
}

// goWorker is worker.c in Go: a static program with goroutine stacks.
func goWorker() {
	sum := func() (h uint64) {
		f := 1.5
		for i := range uint64(400000) {
			f = f*1.0000001 + 0.25
			h = (h ^ i) * 1099511628211
		}
		return h ^ uint64(f)
	}
	want := sum()
	fmt.Printf("tid %d\n", syscall.Getpid())
	for n := 1; ; n++ {
		if sum() != want {
			fmt.Println("BAD checksum")
			os.Exit(1)
		}
		if _, err := fmt.Println("ok", n); err != nil {
			os.Exit(0)
		}
		if n%8 == 0 {
			runtime.GC()
		}
	}
}
