package tests

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Exit codes of ckpt, of the table in docs.
const (
	exitOK           = 0
	exitError        = 1
	exitUsage        = 2
	exitWarnings     = 3
	exitUnsupported  = 4
	exitDamaged      = 5
	exitIncompatible = 6
	exitNotFound     = 7
	exitNoSpace      = 9
	exitRestore      = 125 // any failure of a restore
)

// binaries finds the directory of ckpt, myrestart and libckpt.so, once. They
// are copied to a place that every user can read.
var binaries = sync.OnceValues(func() (string, error) {
	from := os.Getenv("CKPT_BIN")
	if from == "" {
		from = filepath.Join("..", "bin")
	}
	to := filepath.Join(base, "bin")
	if err := os.Mkdir(to, 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{"ckpt", "myrestart", "libckpt.so"} {
		if err := copyFile(filepath.Join(to, name), filepath.Join(from, name)); err != nil {
			return "", fmt.Errorf("%w: run make first, or set CKPT_BIN to the directory of the binaries", err)
		}
	}
	return to, nil
})

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// binary is the path of one of the binaries under test.
func binary(t *testing.T, name string) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// result is how a run of ckpt ended.
type result struct {
	code           int
	stdout, stderr string
}

var runs struct {
	sync.Mutex
	n int
}

// ckpt runs ckpt in dir as the user uid and waits for it.
func ckpt(t *testing.T, dir string, uid int, args ...string) result {
	t.Helper()
	runs.Lock()
	runs.n++
	prefix := fmt.Sprintf("ckpt.%d.", runs.n)
	runs.Unlock()
	// What it says must not be in the way of what is tested in dir: a
	// directory that is read-only or full.
	logs := workDir(t, os.Geteuid())
	p := start(t, command{
		argv: append([]string{binary(t, "ckpt")}, args...), dir: logs, uid: uid, prefix: prefix,
		setup: inDir(dir),
	})
	code := p.wait()
	return result{code, text(logs, prefix+"out"), text(logs, prefix+"err")}
}

// want fails the test if the run did not end with the code, and if its
// standard error does not contain all the words.
func (r result) want(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("ckpt ended with %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("%q is not in the message: %s", word, r.stderr)
		}
	}
	if code != exitOK && !strings.HasPrefix(r.stderr, "ckpt: ") {
		t.Errorf("the message does not begin with ckpt: %q", r.stderr)
	}
}

// save saves the process to dir/myckpt and fails the test if that fails.
func (p *process) save(uid int, args ...string) {
	p.t.Helper()
	ckpt(p.t, p.dir, uid, append([]string{"save", strconv.Itoa(p.pid())}, args...)...).want(p.t, exitOK)
}

// saveBySignal sends SIGUSR2 to a process that runs with the library and waits
// until the image is there, which is moved to dir/myckpt if the process works
// somewhere else.
func (p *process) saveBySignal() {
	p.t.Helper()
	var cwd string
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/cwd", p.pid()))
	for _, link := range tasks {
		if at, err := os.Readlink(link); err == nil {
			cwd = at // a first thread that has ended has none
		}
	}
	if cwd == "" {
		p.t.Fatalf("process %d has no working directory", p.pid())
	}
	image := filepath.Join(cwd, "myckpt")
	if err := os.Remove(image); err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	if err := syscall.Kill(p.pid(), syscall.SIGUSR2); err != nil {
		p.t.Fatal(err)
	}
	for end := time.Now().Add(bound); ; time.Sleep(2 * time.Millisecond) {
		if _, err := os.Stat(image); err == nil {
			break
		}
		if p.ended() {
			p.t.Fatalf("the program ended by kill -12, status %d\n%s", p.wait(), text(p.dir, "err"))
		}
		if time.Now().After(end) {
			p.t.Fatalf("no myckpt %v after kill -12; the log: %s", bound, text(p.dir, agentLog))
		}
	}
	if err := os.Rename(image, filepath.Join(p.dir, "myckpt")); err != nil {
		p.t.Fatal(err)
	}
}

// agentLog is where a program's library says what went wrong.
const agentLog = "agent.log"

// withLibrary is the environment of a program that saves itself on SIGUSR2.
func withLibrary(t *testing.T) []string {
	return []string{"LD_PRELOAD=" + binary(t, "libckpt.so"), "CKPT_LOG=" + agentLog}
}

// restore starts a restore of dir/myckpt by one of the two commands. comm is
// the saved program's name: when the process has it, it has been restored.
func restore(t *testing.T, tool, dir string, uid int, comm string) *process {
	t.Helper()
	return restoreOn(t, nil, tool, dir, uid, comm)
}

// restoreOn starts a restore by way of another command, which executes the
// rest of its arguments.
func restoreOn(t *testing.T, by []string, tool, dir string, uid int, comm string) *process {
	t.Helper()
	argv := []string{binary(t, "ckpt"), "restore", "myckpt"}
	switch tool {
	case "myrestart":
		argv = []string{binary(t, "myrestart"), "myckpt"}
	case lazily:
		argv = []string{binary(t, "ckpt"), "restore", "--lazy", "myckpt"}
	}
	argv = slices.Concat(by, argv)
	p := start(t, command{argv: argv, dir: dir, uid: uid, prefix: "restore."})
	eventually(t, "the restored program "+comm, func() bool {
		return p.ended() || p.follow(comm)
	})
	return p
}
