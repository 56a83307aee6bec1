package tests

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// scriptKey is the key of a script's state.
type scriptKey struct{}

// scriptState is the program that a script started last.
type scriptState struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended and is reaped
}

func stateOf(ts *testscript.TestScript) *scriptState {
	return ts.Value(scriptKey{}).(*scriptState)
}

func scriptTarget(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: target NAME")
	}
	path, err := targetProbe(args[0]).compile()
	ts.Check(err)
	ts.Setenv(args[0], path)
}

func scriptStart(ts *testscript.TestScript, neg bool, args []string) {
	var env []string
	for len(args) > 0 && strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: start [NAME=VALUE]... PROGRAM [ARG]...")
	}
	path := args[0]
	if !strings.Contains(path, "/") {
		var err error
		path, err = exec.LookPath(path)
		ts.Check(err)
	}
	out, err := os.Create(ts.MkAbs("out"))
	ts.Check(err)
	defer out.Close()
	errors, err := os.Create(ts.MkAbs("err"))
	ts.Check(err)
	defer errors.Close()
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append([]string{"PATH=" + ts.Getenv("PATH"), "LC_ALL=C"}, env...)
	cmd.Stdout, cmd.Stderr = out, errors
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	ts.Check(cmd.Start())
	s := stateOf(ts)
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		_ = cmd.Wait() // the status is in cmd.ProcessState
		close(done)
	}()
	ts.Defer(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	})
	ts.Setenv("PID", strconv.Itoa(cmd.Process.Pid))
}

func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	path := ts.MkAbs(args[0])
	for end := time.Now().Add(bound); ; time.Sleep(2 * time.Millisecond) {
		data, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(data), args[1]) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("no %q in %s: %v %q", args[1], args[0], err, data)
		}
	}
}

func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	s := stateOf(ts)
	if neg || len(args) != 1 || s.cmd == nil {
		ts.Fatalf("usage: signal NAME")
	}
	n := unix.SignalNum("SIG" + args[0])
	if n == 0 {
		ts.Fatalf("no signal %s", args[0])
	}
	ts.Check(s.cmd.Process.Signal(n))
}

func scriptEnded(ts *testscript.TestScript, neg bool, args []string) {
	s := stateOf(ts)
	if neg || len(args) > 1 || s.cmd == nil {
		ts.Fatalf("usage: ended [STATUS]")
	}
	select {
	case <-s.done:
	case <-time.After(bound):
		ts.Fatalf("the program does not end")
	}
	status := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	code := status.ExitStatus()
	if status.Signaled() {
		code = 128 + int(status.Signal())
	}
	if len(args) == 1 && args[0] != strconv.Itoa(code) {
		ts.Fatalf("the program ended with status %d, want %s", code, args[0])
	}
}

func scriptRuns(ts *testscript.TestScript, neg bool, args []string) {
	s := stateOf(ts)
	if neg || len(args) != 0 || s.cmd == nil {
		ts.Fatalf("usage: runs")
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	ts.Check(err)
	for _, bad := range []string{"State:\tT", "State:\tt", "State:\tZ"} {
		if strings.Contains(string(status), bad) {
			ts.Fatalf("the program does not run: %s", bad)
		}
	}
}
