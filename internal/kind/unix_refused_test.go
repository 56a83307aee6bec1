package kind

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/sys"
)

// childWith is a process that has fd as its standard input.
func childWith(t *testing.T, fd int) *exec.Cmd {
	t.Helper()
	n, err := sys.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(n), "stdin")
	defer file.Close()
	cmd := exec.Command("sleep", "60")
	cmd.Stdin = file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func TestUnixLeadsOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_STREAM)
	cmd := childWith(t, b)
	w.shut(b)
	w.all = []*Desc{w.desc(a)}
	_, err := w.describe(a)
	wantRefused(t, err, fmt.Sprintf("its other end is in process %d (sleep)", cmd.Process.Pid), "not saved with it")
}

func TestUnixSharedWithOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_STREAM)
	cmd := childWith(t, a)
	w.all = []*Desc{w.desc(a), w.desc(b)}
	_, err := w.describe(a)
	wantRefused(t, err, fmt.Sprintf("also open in process %d", cmd.Process.Pid))
}

func TestUnixClientOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := abstract(t, "server")
	server, client := w.unixSocket(unix.SOCK_STREAM, name), w.unixSocket(unix.SOCK_STREAM, "")
	if err := unix.Listen(server, 5); err != nil {
		t.Fatal(err)
	}
	connectTo(t, client, name)
	cmd := childWith(t, client)
	w.shut(client)
	w.all = []*Desc{w.desc(server)}
	_, err := w.describe(server)
	wantRefused(t, err, fmt.Sprintf("process %d", cmd.Process.Pid), "waits to be accepted")
}

// On 0, 1 and 2 one that leads outside is the restart's own.
func TestUnixOnStdinLeadsOutside(t *testing.T) {
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_STREAM)
	childWith(t, b)
	w.shut(b)
	w.asStdin(a)
	w.shut(a)
	w.save(0)
	if kind := w.Manifest.Files[0].Kind; kind != "stdio" {
		t.Errorf("kind %q", kind)
	}
}

func TestUnixThatIsRefused(t *testing.T) {
	t.Parallel()
	server := func(w *world, use func(client int)) (int, int) {
		name := abstract(w.t, "s")
		s, c := w.unixSocket(unix.SOCK_STREAM, name), w.unixSocket(unix.SOCK_STREAM, "")
		if err := unix.Listen(s, 5); err != nil {
			t.Fatal(err)
		}
		connectTo(t, c, name)
		use(c)
		return s, c
	}
	for says, open := range map[string]func(w *world) (refused, other int){
		"not accepted yet": func(w *world) (int, int) {
			s, c := server(w, func(c int) { send(t, c, "early") })
			return c, s
		},
		"closed before it was accepted": func(w *world) (int, int) {
			s, c := server(w, w.shut)
			return s, c
		},
		"out-of-band": func(w *world) (int, int) {
			a, b := w.unixPair(unix.SOCK_STREAM)
			if err := unix.Sendto(a, []byte("!"), unix.MSG_OOB, nil); err != nil {
				t.Skip(err)
			}
			return b, a
		},
		"an error waits": func(w *world) (int, int) {
			a, b := w.unixPair(unix.SOCK_SEQPACKET)
			send(t, a, "unread")
			send(t, b, "readable")
			w.shut(b)
			return a, b
		},
		"without a name": func(w *world) (int, int) {
			a, b := w.unixPair(unix.SOCK_DGRAM)
			name := abstract(t, "third")
			w.unixSocket(unix.SOCK_DGRAM, name)
			connectTo(t, b, name)
			return a, b
		},
	} {
		t.Run(says, func(t *testing.T) {
			w := newWorld(t)
			fd, other := open(w)
			w.all = []*Desc{w.desc(fd), w.desc(other)}
			_, err := w.describe(fd)
			wantRefused(t, err, says)
		})
	}
}

func TestUnixOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := make(chan error)
	var fd int
	go func() {
		runtime.LockOSThread() // for good: the thread ends here
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		}
		made <- err
	}()
	if err := <-made; errors.Is(err, syscall.EPERM) {
		t.Skip("a network namespace needs root")
	} else if err != nil {
		t.Fatal(err)
	}
	w.keep(fd, nil)
	w.all = []*Desc{w.desc(fd)}
	_, err := w.describe(fd)
	wantRefused(t, err, "another network namespace")
}
