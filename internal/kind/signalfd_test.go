package kind

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestSignalfdKeepsMask(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := &unix.Sigset_t{}
	set.Val[0] = 1<<(unix.SIGUSR1-1) | 1<<(unix.SIGCHLD-1) | 1<<63
	fd := w.keep(unix.Signalfd(-1, set, unix.SFD_CLOEXEC|unix.SFD_NONBLOCK))
	w.save(fd)
	w.restore()
	if mask := w.desc(fd).Info.SigMask; mask == nil || *mask != uint64(set.Val[0]) {
		t.Errorf("mask %v, want %#x", mask, set.Val[0])
	}
	if flagsOf(t, fd)&unix.O_NONBLOCK == 0 {
		t.Error("it has lost O_NONBLOCK")
	}
}
