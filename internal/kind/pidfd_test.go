package kind

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPidfdOfItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.keep(unix.PidfdOpen(os.Getpid(), unix.PIDFD_NONBLOCK))
	w.save(fd)
	w.restore()
	d := w.desc(fd)
	if d.Info.PidFD == nil || d.Info.PidFD.PID != os.Getpid() || flagsOf(t, fd)&unix.O_NONBLOCK == 0 {
		t.Errorf("restored as %+v with flags %o", d.Info.PidFD, flagsOf(t, fd))
	}
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
		t.Errorf("signal 0: %v", err)
	}
}

func TestPidfdOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.describe(w.keep(unix.PidfdOpen(os.Getppid(), 0)))
	wantRefused(t, err, "(pidfd)", "process", "not saved with it")

	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead := w.keep(unix.PidfdOpen(cmd.Process.Pid, 0))
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	_, err = w.describe(dead)
	wantRefused(t, err, "(pidfd)", "has ended")
}
