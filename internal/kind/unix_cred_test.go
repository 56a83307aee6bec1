package kind

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/sys"
)

// freeID is an id that no process has.
func freeID(t *testing.T) int {
	t.Helper()
	if err := sys.ProbeSetTID(); err != nil {
		t.Skipf("ids can not be chosen: %v", err)
	}
	for pid := 30000; pid > 20000; pid-- {
		if unix.Kill(pid, 0) == unix.ESRCH {
			return pid
		}
	}
	t.Fatal("no id is free")
	return 0
}

func peerPID(t *testing.T, fd int) int {
	t.Helper()
	cred, err := sys.PeerCred(fd)
	if err != nil {
		t.Fatal(err)
	}
	return int(cred.PID)
}

// Sockets tell of the saved processes by the ids that these get, although they
// are not there yet: who made a pair, who connected, who listens, who has sent
// what waits.
func TestUnixCredentialsOfProcesses(t *testing.T) {
	w := newWorld(t)
	w.PIDs = map[int]int{os.Getpid(): freeID(t)}
	a, b := w.unixPair(unix.SOCK_STREAM)
	c, d := w.unixPair(unix.SOCK_DGRAM)
	for _, fd := range []int{c, d} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
			t.Fatal(err)
		}
	}
	send(t, c, "before")
	path := filepath.Join(t.TempDir(), "server")
	server := w.keep(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	if err := unix.Bind(server, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(server, 3); err != nil {
		t.Fatal(err)
	}
	client := w.keep(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	if err := unix.Connect(client, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	accepted, _, err := unix.Accept4(server, unix.SOCK_CLOEXEC)
	w.keep(accepted, err)
	w.save(a, b, c, d, server, client, accepted)
	w.restore()
	for _, fd := range []int{a, b, client, accepted, server} {
		if pid := peerPID(t, fd); pid != w.PIDs[os.Getpid()] {
			t.Errorf("fd %d: %d, want %d", fd, pid, w.PIDs[os.Getpid()])
		}
	}
	m, _, err := sys.PeekUnix(d, -1, 100)
	if err != nil || string(m.Data) != "before" || m.Cred == nil || int(m.Cred.PID) != w.PIDs[os.Getpid()] {
		t.Errorf("%q %+v, %v", m.Data, m.Cred, err)
	}
}

// Root makes sockets in the name of other users.
func TestUnixCredentialsOfUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	a, b, err := (&sys.As{PID: freeID(t), UID: 65534, GID: 65533}).UnixPair(unix.SOCK_STREAM)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	cred, err := sys.PeerCred(int(a.Fd()))
	if err != nil || cred.UID != 65534 || cred.GID != 65533 {
		t.Errorf("%+v, %v", cred, err)
	}
}
