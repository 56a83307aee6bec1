package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a program started by a test. It is killed at the test's end, with
// all of its process group and all descendants, and always reaped.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	program int // the program's id if it is a descendant of what was started; else 0
	dir     string
	done    chan struct{} // closed when it has ended and is reaped
}

// command describes a program to start. Standard output and error are files
// in dir, their names "out" and "err" with the prefix.
type command struct {
	argv   []string
	dir    string
	uid    int
	env    []string // in addition to a small fixed environment
	prefix string
	setup  func(*exec.Cmd) // last changes, e.g. other descriptors; may be nil
}

// start starts c. The process is not waited for.
func start(t *testing.T, c command) *process {
	t.Helper()
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "LC_ALL=C", "TERM=dumb",
	}, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.uid != os.Geteuid() {
		id := uint32(c.uid)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id}
	}
	for _, std := range []struct {
		name string
		to   func(*os.File)
	}{
		{"out", func(f *os.File) { cmd.Stdout = f }},
		{"err", func(f *os.File) { cmd.Stderr = f }},
	} {
		// The file belongs to the program's user, who may have to open it again.
		name := filepath.Join(c.dir, c.prefix+std.name)
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if c.uid != os.Geteuid() {
			if err := f.Chown(c.uid, c.uid); err != nil {
				t.Fatal(err)
			}
		}
		std.to(f)
	}
	if c.setup != nil {
		c.setup(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", c.argv[0], err)
	}
	p := &process{t: t, cmd: cmd, dir: c.dir, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the state is in cmd.ProcessState
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

// pid is the program's id, outside of any namespace of its own.
func (p *process) pid() int {
	if p.program != 0 {
		return p.program
	}
	return p.cmd.Process.Pid
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill kills the process and what it started, and reaps it.
func (p *process) kill() {
	if p.ended() {
		return
	}
	members := p.family()
	_ = syscall.Kill(-members[0], syscall.SIGKILL)
	for _, pid := range members {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.done
	p.buryFamily(members)
}

// wait waits until the process has ended and returns its exit status as a
// shell would: 128 plus the signal's number for one that was killed.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(2 * bound): // programs that compute share the processors
		p.t.Fatalf("process %d does not end: %s", p.pid(), p.describe())
	}
	if p.cmd.ProcessState == nil {
		p.t.Fatalf("process %d was reaped by somebody else", p.pid())
	}
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// describe says what the process is doing, for messages.
func (p *process) describe() string {
	var b strings.Builder
	for _, name := range []string{"stat", "syscall", "wchan"} {
		fmt.Fprintf(&b, "%s: %s; ", name, bytes.TrimSpace(p.proc(name)))
	}
	return b.String()
}

// proc reads a file of /proc/PID; it is empty if there is none.
func (p *process) proc(name string) []byte {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid(), name))
	return data
}

// comm is the process's name.
func (p *process) comm() string { return strings.TrimSuffix(string(p.proc("comm")), "\n") }

// syscall is the number of the system call the process is blocked in; -1 if
// it is in none.
func (p *process) syscall() int {
	number, _, _ := strings.Cut(string(p.proc("syscall")), " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return -1 // "running"
	}
	return n
}

// state is the process's state letter in /proc/PID/stat.
func (p *process) state() string {
	stat := string(p.proc("stat"))
	if i := strings.LastIndex(stat, ") "); i >= 0 && len(stat) > i+2 {
		return stat[i+2 : i+3]
	}
	return ""
}

// text is the content of a file in the process's directory.
func text(dir, name string) string {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(data)
}
