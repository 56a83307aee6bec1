package emit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// agentPatience bounds every wait of these tests; none takes a second.
const agentPatience = 60 * time.Second

// agentBin builds a fixture of testdata/agent once per test run.
var agentBin = struct {
	sync.Mutex
	dir string
	err map[string]error
}{err: make(map[string]error)}

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(agentBin.dir)
	os.Exit(code)
}

// agentBuild gives the path of source compiled by compiler.
func agentBuild(t *testing.T, compiler, source string, flags ...string) string {
	t.Helper()
	agentBin.Lock()
	defer agentBin.Unlock()
	if agentBin.dir == "" {
		dir, err := os.MkdirTemp("", "agent")
		if err != nil {
			t.Fatal(err)
		}
		agentBin.dir = dir
	}
	name := compiler + "-" + strings.TrimSuffix(source, filepath.Ext(source)) + strings.Join(flags, "")
	bin := filepath.Join(agentBin.dir, name)
	err, built := agentBin.err[name]
	if !built {
		args := append([]string{"-O2", "-Wall", "-Werror", "-o", bin, filepath.Join("testdata", "agent", source)}, flags...)
		var out []byte
		if out, err = exec.Command(compiler, args...).CombinedOutput(); err != nil {
			err = errors.New(err.Error() + "\n" + string(out))
		}
		agentBin.err[name] = err
	}
	if err != nil {
		t.Fatalf("%s %s: %v", compiler, source, err)
	}
	return bin
}

// agentHouse is a directory with libckpt.so, a stand-in for ckpt beside it,
// and the reports of that.
type agentHouse struct {
	dir, lib, reports string
	env               []string
}

func newAgentHouse(t *testing.T) *agentHouse {
	t.Helper()
	h := &agentHouse{dir: filepath.Join(t.TempDir(), "a house, with spaces")}
	h.reports = filepath.Join(h.dir, "reports")
	if err := os.MkdirAll(h.reports, 0o755); err != nil {
		t.Fatal(err)
	}
	h.lib = h.install(t, "libckpt.so", "/nonexistent/ckpt")
	h.env = []string{"CKPT_REPORT=" + h.reports, "HOME=/nowhere", "CKPT=not handed on", "PATH=" + os.Getenv("PATH")}
	h.engine(t, filepath.Join(h.dir, "ckpt"))
	return h
}

// install writes the library to a path below the house.
func (h *agentHouse) install(t *testing.T, path, engine string) string {
	t.Helper()
	lib, err := Agent(engine)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(h.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, lib, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (h *agentHouse) engine(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(agentBuild(t, "gcc", "engine.c"), path); err == nil {
		return
	}
	data, err := os.ReadFile(agentBuild(t, "gcc", "engine.c"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

// agentReport is what the stand-in wrote down.
type agentReport struct {
	Args, Env        []string
	Fds              []int
	Middle, Target   int
	Blocked, Ignored uint64
	HandlerBlocked   uint64 `json:"handler_blocked"` // in the program's first thread
	MiddleFds        int    `json:"middle_fds"`
}

// names are the files of the reports so far.
func (h *agentHouse) names(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(h.reports, "[0-9]*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// read gives the reports so far.
func (h *agentHouse) read(t *testing.T) []agentReport {
	t.Helper()
	var reports []agentReport
	for _, name := range h.names(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var r agentReport
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		reports = append(reports, r)
	}
	return reports
}

// agentProcess is a program that runs with the library preloaded.
type agentProcess struct {
	*exec.Cmd
	t      *testing.T
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
	exited chan error
}

// start starts a program; env is in addition to the house's.
func (h *agentHouse) start(t *testing.T, env []string, name string, args ...string) *agentProcess {
	t.Helper()
	p := &agentProcess{Cmd: exec.Command(name, args...), t: t, exited: make(chan error, 1)}
	p.Env = append(append([]string{"LD_PRELOAD=" + filepath.Base(h.lib), "LD_LIBRARY_PATH=" + filepath.Dir(h.lib)}, h.env...), env...)
	p.Dir = h.dir
	p.Stderr = &p.stderr
	var err error
	if p.in, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stdout, p.out = w, bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { out.Close() })
	go func() { p.exited <- p.Wait() }()
	t.Cleanup(func() { p.Process.Kill() })
	return p
}

// line reads a line of the program's standard output.
func (p *agentProcess) line() string {
	p.t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("%s: output: %v %s", p.Args, err, &p.stderr)
	}
	return strings.TrimSpace(s)
}

// wait waits for the end of the program, which must be a good one.
func (p *agentProcess) wait() {
	p.t.Helper()
	select {
	case err := <-p.exited:
		if err != nil {
			p.t.Fatalf("%s: %v\n%s", p.Args, err, &p.stderr)
		}
	case <-time.After(agentPatience):
		p.Process.Kill()
		p.t.Fatalf("%s: does not end\n%s", p.Args, &p.stderr)
	}
}

func (p *agentProcess) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// saved waits until n engines have run and the program has tidied up after the last:
// a signal that comes while that one's end is not yet told would be merged into it.
func (p *agentProcess) saved(h *agentHouse, n int) {
	p.t.Helper()
	until(p.t, fmt.Sprint("report ", n), func() bool { return len(h.names(p.t)) >= n })
	until(p.t, fmt.Sprint("end of engine ", n), func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.Process.Pid))
		status, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
		return err != nil || err2 != nil || len(children) == 0 && bytes.Contains(status, []byte("ShdPnd:\t0000000000000000"))
	})
}

// until waits for a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(agentPatience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}
