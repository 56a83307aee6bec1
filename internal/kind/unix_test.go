package kind

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ckpt/internal/sys"
)

// unixPair makes a connected pair.
func (w *world) unixPair(typ int) (a, b int) {
	w.t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.keep(p[0], nil), w.keep(p[1], nil)
}

func (w *world) unixSocket(typ int, name string) int {
	w.t.Helper()
	fd := w.keep(unix.Socket(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0))
	if name != "" {
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
			w.t.Fatal(err)
		}
	}
	return fd
}

func (w *world) accept(listening int) int {
	w.t.Helper()
	fd, _, err := unix.Accept(listening)
	return w.keep(fd, err)
}

func connectTo(t *testing.T, fd int, name string) {
	t.Helper()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		t.Fatal(err)
	}
}

// abstract is a name of no other test.
func abstract(t *testing.T, name string) string {
	return fmt.Sprintf("@ckpt %d %s %s", os.Getpid(), t.Name(), name)
}

func nameOf(t *testing.T, fd int) string {
	t.Helper()
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if name := sa.(*unix.SockaddrUnix).Name; name != "@" {
		return name
	}
	return ""
}

func send(t *testing.T, fd int, text string) {
	t.Helper()
	if err := unix.Sendto(fd, []byte(text), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
}

// receive is one recvfrom(2), which does not wait: the text and the sender's
// name, or the error as the text.
func receive(t *testing.T, fd int) (text, from string) {
	t.Helper()
	b := make([]byte, 1<<17)
	n, sa, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
	if err != nil {
		return err.Error(), ""
	}
	if sa, ok := sa.(*unix.SockaddrUnix); ok {
		from = sa.Name
	}
	return string(b[:n]), from
}

func wantReceived(t *testing.T, fd int, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if got, _ := receive(t, fd); got != want {
			t.Errorf("received %.40q (%d bytes), want %.40q", got, len(got), want)
		}
	}
}

const empty = "resource temporarily unavailable"

func TestUnixPairs(t *testing.T) {
	t.Parallel()
	for name, typ := range map[string]int{"stream": unix.SOCK_STREAM, "dgram": unix.SOCK_DGRAM, "seqpacket": unix.SOCK_SEQPACKET} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a, b := w.unixPair(typ)
			send(t, a, "one")
			send(t, a, "two")
			send(t, b, "back")
			w.save(a, b)
			wantPeekOff(t, a, -1)
			w.restore()
			if typ == unix.SOCK_STREAM {
				wantReceived(t, b, "onetwo", empty)
			} else {
				wantReceived(t, b, "one", "two", empty)
			}
			wantReceived(t, a, "back", empty)
			send(t, a, "again")
			wantReceived(t, b, "again")
			if len(w.Warnings) > 0 {
				t.Errorf("warnings %q", w.Warnings)
			}
		})
	}
}

func wantPeekOff(t *testing.T, fd, want int) {
	t.Helper()
	if got, err := sys.PeekOff(fd); err != nil || got != want {
		t.Errorf("SO_PEEK_OFF %d, %v, want %d", got, err, want)
	}
}

// The saved program runs on: nothing was taken out of its sockets.
func TestUnixSaveTakesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_DGRAM)
	c, d := w.unixPair(unix.SOCK_STREAM)
	send(t, a, "")
	send(t, a, "datagram")
	send(t, c, "stream")
	if err := sys.SetPeekOff(d, 3); err != nil {
		t.Fatal(err)
	}
	w.save(a, b, c, d)
	wantPeekOff(t, d, 3)
	wantReceived(t, b, "", "datagram", empty)
	wantReceived(t, d, "stream", empty)
}

func TestUnixBoundaries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_DGRAM)
	c, d := w.unixPair(unix.SOCK_SEQPACKET)
	long := string(make([]byte, 100_000))
	for _, fd := range []int{a, c} {
		for _, text := range []string{"", "", "x", long, "", "end"} {
			send(t, fd, text)
		}
	}
	w.save(a, b, c, d)
	w.restore()
	wantReceived(t, b, "", "", "x", long, "", "end", empty)
	wantReceived(t, d, "", "", "x", long, "", "end", empty)
}

// An empty datagram that the program has looked at.
func TestUnixPeekedByTheProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_DGRAM)
	send(t, a, "")
	send(t, a, "second")
	if _, _, err := unix.Recvfrom(b, make([]byte, 10), unix.MSG_PEEK); err != nil {
		t.Fatal(err)
	}
	w.save(a, b)
	wantPeekOff(t, b, -1)
	w.restore()
	wantReceived(t, b, "", "second", empty)
}

func TestUnixFullStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_STREAM)
	total := 0
	for size := 5000; ; size = size%7000 + 1 {
		n, err := unix.SendmsgN(a, make([]byte, size), nil, nil, unix.MSG_DONTWAIT)
		if err != nil {
			break
		}
		total += n
	}
	w.save(a, b)
	w.restore()
	if got := unread(t, b); got != total {
		t.Errorf("%d bytes wait, want %d", got, total)
	}
}

func TestUnixPeerClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_STREAM)
	reset, c := w.unixPair(unix.SOCK_STREAM)
	lost, d := w.unixPair(unix.SOCK_DGRAM)
	end, e := w.unixPair(unix.SOCK_SEQPACKET)
	send(t, b, "last words")
	send(t, reset, "never read")
	send(t, e, "packet")
	for _, fd := range []int{b, c, d, e} {
		w.shut(fd)
	}
	w.save(a, reset, lost, end)
	w.restore()
	wantReceived(t, a, "last words", "")
	if err := unix.Sendto(a, []byte("x"), unix.MSG_NOSIGNAL, nil); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("send to nobody: %v", err)
	}
	wantReceived(t, reset, "connection reset by peer", "")
	if err := unix.Sendto(lost, []byte("x"), unix.MSG_NOSIGNAL, nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("datagram to nobody: %v", err)
	}
	wantReceived(t, end, "packet", "")
}

func TestUnixShutdown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_STREAM)
	send(t, a, "before")
	if err := unix.Shutdown(a, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	w.save(a, b)
	w.restore()
	wantReceived(t, b, "before", "")
	if err := unix.Sendto(a, []byte("x"), unix.MSG_NOSIGNAL, nil); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("send after shutdown: %v", err)
	}
	send(t, b, "the other way")
	wantReceived(t, a, "the other way", empty)
}

func TestUnixListening(t *testing.T) {
	t.Parallel()
	for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
		for _, name := range []string{filepath.Join(t.TempDir(), "s"), abstract(t, fmt.Sprint(typ))} {
			w := newWorld(t)
			server, first, second, third := w.unixSocket(typ, name), w.unixSocket(typ, ""), w.unixSocket(typ, ""), w.unixSocket(typ, "")
			if err := unix.Listen(server, 3); err != nil {
				t.Fatal(err)
			}
			connectTo(t, first, name)
			accepted := w.accept(server)
			send(t, first, "question")
			send(t, accepted, "answer")
			connectTo(t, second, name)
			connectTo(t, third, name)
			w.save(first, third, accepted, second, server)
			w.restore()
			wantReceived(t, accepted, "question", empty)
			wantReceived(t, first, "answer", empty)
			if nameOf(t, accepted) != name || nameOf(t, server) != name || nameOf(t, first) != "" {
				t.Errorf("names %q, %q, %q", nameOf(t, accepted), nameOf(t, server), nameOf(t, first))
			}
			send(t, third, "I am third")
			send(t, second, "I am second")
			for _, want := range []string{"I am second", "I am third"} {
				c := w.accept(server)
				wantReceived(t, c, want)
			}
			if s := w.diag(server); s.Backlog != 3 || s.Queue != 0 {
				t.Errorf("listens with %+v", s)
			}
			another := w.unixSocket(typ, "")
			connectTo(t, another, name)
		}
	}
}

func (w *world) diag(fd int) *sys.UnixSocket {
	w.t.Helper()
	all, err := sys.UnixSockets()
	if err != nil {
		w.t.Fatal(err)
	}
	return all[uint32(w.desc(fd).Stat.Ino)]
}

func TestUnixOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_STREAM)
	set := func(option, v int) {
		if err := unix.SetsockoptInt(a, unix.SOL_SOCKET, option, v); err != nil {
			t.Fatal(err)
		}
	}
	set(unix.SO_SNDBUF, 20000)
	set(unix.SO_RCVBUF, 30000)
	set(unix.SO_PASSCRED, 1)
	set(unix.SO_PEEK_OFF, 0)
	tv := unix.Timeval{Sec: 3, Usec: 500_000}
	if err := unix.SetsockoptTimeval(a, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(a, true); err != nil {
		t.Fatal(err)
	}
	want, err := sys.SocketOptionsOf(a)
	if err != nil {
		t.Fatal(err)
	}
	w.save(a, b)
	w.restore()
	got, err := sys.SocketOptionsOf(a)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("options %+v, %v, want %+v", got, err, want)
	}
	if flagsOf(t, a)&unix.O_NONBLOCK == 0 || flagsOf(t, b)&unix.O_NONBLOCK != 0 {
		t.Errorf("flags %o and %o", flagsOf(t, a), flagsOf(t, b))
	}
}

func TestUnixDatagramServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t)
	server := w.unixSocket(unix.SOCK_DGRAM, filepath.Join(dir, "server"))
	named, nameless := w.unixSocket(unix.SOCK_DGRAM, filepath.Join(dir, "client")), w.unixSocket(unix.SOCK_DGRAM, "")
	gone := w.unixSocket(unix.SOCK_DGRAM, abstract(t, "gone"))
	for _, fd := range []int{named, nameless, gone} {
		connectTo(t, fd, filepath.Join(dir, "server"))
		send(t, fd, fmt.Sprint("from ", fd))
	}
	w.shut(gone)
	w.save(server, named, nameless)
	w.restore()
	for _, c := range []struct {
		fd   int
		from string
	}{{named, filepath.Join(dir, "client")}, {nameless, ""}, {gone, abstract(t, "gone")}} {
		text, from := receive(t, server)
		if text != fmt.Sprint("from ", c.fd) || from != c.from {
			t.Errorf("received %q from %q, want %d from %q", text, from, c.fd, c.from)
		}
	}
	send(t, named, "more")
	send(t, nameless, "still")
	wantReceived(t, server, "more", "still", empty)
	if err := unix.Sendto(server, []byte("reply"), 0, &unix.SockaddrUnix{Name: filepath.Join(dir, "client")}); err != nil {
		t.Error(err)
	}
	wantReceived(t, named, "reply")
}

func TestUnixCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_DGRAM)
	if err := unix.SetsockoptInt(b, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		t.Fatal(err)
	}
	send(t, a, "me")
	w.save(a, b)
	w.restore()
	buf, control := make([]byte, 10), make([]byte, 100)
	n, cn, _, _, err := unix.Recvmsg(b, buf, control, unix.MSG_DONTWAIT)
	if err != nil || string(buf[:n]) != "me" {
		t.Fatalf("received %q, %v", buf[:n], err)
	}
	parts, err := unix.ParseSocketControlMessage(control[:cn])
	if err != nil || len(parts) != 1 {
		t.Fatalf("control %v, %v", parts, err)
	}
	if c, err := unix.ParseUnixCredentials(&parts[0]); err != nil || int(c.Pid) != os.Getpid() || int(c.Uid) != os.Getuid() {
		t.Errorf("credentials %+v, %v", c, err)
	}
}

// A socket that is made for a connection but has none yet can not be read.
func TestUnixSeqpacketNotConnected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fd := w.keep(unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0))
	w.save(fd)
	w.restore()
	if _, err := unix.Getpeername(fd); err != unix.ENOTCONN {
		t.Errorf("it is connected: %v", err)
	}
}
