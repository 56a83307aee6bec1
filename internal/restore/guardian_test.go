package restore

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// TestSignalWhileItBegins: a signal that comes when the program runs, but the restore
// has yet to see the end of who started it, is handed on.
func TestSignalWhileItBegins(t *testing.T) {
	t.Parallel()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM) // it must not end the tests
	program := exec.Command("sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done")
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	first := exec.Command("cat")
	in, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	messages, w, err := os.Pipe()
	if err := errors.Join(err, program.Start(), first.Start()); err != nil {
		t.Fatal(err)
	}
	defer program.Process.Kill()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	g := &guardian{pid: program.Process.Pid, messages: messages, signals: make(chan os.Signal, signalsMost)}
	g.next = func() (syscall.WaitStatus, error) { return waitFor(g.pid, syscall.WUNTRACED) }
	ended := make(chan error, 1)
	go func() {
		err := g.begin(first.Process.Pid)
		if err == nil {
			err = g.guard()
		}
		ended <- err
	}()
	_ = w.Close() // the program runs
	time.Sleep(50 * time.Millisecond)
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	_ = in.Close()
	select {
	case err := <-ended:
		var end *EndedError
		if !errors.As(err, &end) || end.Status.ExitStatus() != 7 {
			t.Errorf("ended with %v, not by the signal", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the signal was not handed on")
	}
}
