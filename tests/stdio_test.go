package tests

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOutsidePipe: a pipe or socket on 0, 1 and 2 whose other end is outside is
// taken from the restart's own 0, 1 and 2.
func TestOutsidePipe(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"pipe", "socket", "tcp"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := workDir(t, os.Geteuid())
			first := dialogue(t, kind, command{argv: []string{target(t, "cat")}, dir: dir, uid: os.Geteuid()})
			first.ask(t, "before the save")
			first.process.save(os.Geteuid())
			first.ask(t, "runs on")
			first.process.kill()
			second := dialogue(t, kind, command{
				argv: []string{binary(t, "ckpt"), "restore", "myckpt"}, dir: dir, uid: os.Geteuid(), prefix: "restore.",
			})
			second.ask(t, "after the restore")
			second.close()
			if code := second.process.wait(); code != 0 {
				t.Errorf("status %d at the end of input", code)
			}
		})
	}
}

// TestOutsidePipeline is TestOutsidePipe of a shell with two commands, each of
// which has one of its pipes.
func TestOutsidePipeline(t *testing.T) {
	needRoot(t)
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	first := dialogue(t, "pipe", command{argv: []string{"bash", "-c", "cat 5<&0 0<&5 | cat 3>&1; exit 5"}, dir: dir, uid: os.Geteuid()})
	first.ask(t, "before the save")
	first.process.save(os.Geteuid())
	first.ask(t, "runs on")
	first.process.kill()
	second := dialogue(t, "socket", command{
		argv: []string{binary(t, "ckpt"), "restore", "myckpt"}, dir: dir, uid: os.Geteuid(), prefix: "restore.",
	})
	second.ask(t, "after the restore")
	second.close()
	if code := second.process.wait(); code != 5 {
		t.Errorf("status %d at the end of input", code)
	}
}

// conversation is a program whose 0 and 1 are pipes or sockets to the test.
type conversation struct {
	process *process
	in      *os.File // written by the test
	out     *os.File // read by the test
}

func dialogue(t *testing.T, kind string, c command) *conversation {
	t.Helper()
	inRead, inWrite := pair(t, kind)
	outRead, outWrite := pair(t, kind)
	c.setup = func(cmd *exec.Cmd) { cmd.Stdin, cmd.Stdout = inRead, outWrite }
	p := start(t, c)
	inRead.Close()
	outWrite.Close()
	d := &conversation{p, inWrite, outRead}
	t.Cleanup(d.close)
	t.Cleanup(func() { outRead.Close() })
	return d
}

// pair returns the two ends of a pipe, a stream socket or a connection.
func pair(t *testing.T, kind string) (r, w *os.File) {
	t.Helper()
	if kind == "tcp" {
		ours, theirs := connection(t)
		defer ours.Close()
		f, err := ours.(*net.TCPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		return theirs, f
	}
	var fds [2]int
	var err error
	if kind == "pipe" {
		err = unix.Pipe2(fds[:], unix.O_CLOEXEC)
	} else {
		fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), kind), os.NewFile(uintptr(fds[1]), kind)
}

func (c *conversation) close() { c.in.Close() }

// ask writes a line and expects it back.
func (c *conversation) ask(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		t.Fatalf("%v; %s", err, text(c.process.dir, "restore.err"))
	}
	answer := make(chan string, 1)
	go func() {
		var got strings.Builder
		b := make([]byte, 1)
		for !strings.HasSuffix(got.String(), "\n") {
			if n, err := c.out.Read(b); n == 0 || err != nil {
				break
			}
			got.Write(b)
		}
		answer <- got.String()
	}()
	select {
	case got := <-answer:
		if got != line+"\n" {
			t.Fatalf("asked %q, answered %q; %s", line, got, text(c.process.dir, "restore.err"))
		}
	case <-timeout():
		t.Fatalf("asked %q, no answer; %s", line, c.process.describe())
	}
}

// TestHandOver: a network connection that the program was started with can not be
// saved, but whoever restores can hand over another one.
func TestHandOver(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	begin := func(prefix string, argv ...string) (*process, net.Conn) {
		ours, theirs := connection(t)
		p := start(t, command{argv: argv, dir: dir, uid: os.Geteuid(), prefix: prefix, setup: func(cmd *exec.Cmd) {
			cmd.ExtraFiles = []*os.File{theirs} // descriptor 3
		}})
		theirs.Close()
		return p, ours
	}
	ask := func(c net.Conn, line string) {
		t.Helper()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(line)+1)
		_, err := io.WriteString(c, line+"\n")
		if err == nil {
			_, err = io.ReadFull(c, got)
		}
		if err != nil || string(got) != line+"\n" {
			t.Fatalf("asked %q, answered %q: %v", line, got, err)
		}
	}
	p, c := begin("", "bash", "-c", `while read -r -u 3 line; do echo "$line" >&3; done`)
	ask(c, "first")
	ckpt(t, dir, os.Geteuid(), "save", strconv.Itoa(p.pid())).want(t, 4, "TCP", "--fd 3")
	p.save(os.Geteuid(), "--fd", "3")
	ask(c, "second")
	p.kill()
	ckpt(t, dir, os.Geteuid(), "restore", "myckpt").want(t, 125, "TCP", "--fd 3=N")
	ckpt(t, dir, os.Geteuid(), "restore", "--fd", "3=77", "myckpt").want(t, 125, "has not got a descriptor 77")
	p, c = begin("restore.", binary(t, "ckpt"), "restore", "--fd", "3=3", "myckpt")
	ask(c, "third")
	c.Close()
	if code := p.wait(); code != 0 {
		t.Errorf("status %d at the end of the connection", code)
	}
}

// TestHandOverListening: a server as inetd starts it, which listens on its standard
// input, listens after a restore on that of the restart.
func TestHandOverListening(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	const server = `import socket
s = socket.socket(fileno=0)
line = b""
while line != b"end\n":
    c, _ = s.accept()
    line = c.recv(100)
    c.sendall(line)
    c.close()`
	begin := func(prefix string, argv ...string) (*process, string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		p := start(t, command{argv: argv, dir: dir, uid: os.Geteuid(), prefix: prefix, setup: func(cmd *exec.Cmd) { cmd.Stdin = file }})
		return p, l.Addr().String()
	}
	ask := func(address, line string) {
		t.Helper()
		c, err := net.DialTimeout("tcp", address, bound)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		got := make([]byte, len(line))
		if err = c.SetDeadline(time.Now().Add(bound)); err == nil {
			_, err = io.WriteString(c, line)
		}
		if err == nil {
			_, err = io.ReadFull(c, got)
		}
		if err != nil || string(got) != line {
			t.Fatalf("asked %q, answered %q: %v; %s", line, got, err, text(dir, "restore.err"))
		}
	}
	p, address := begin("", "/usr/bin/python3", "-c", server)
	ask(address, "first\n")
	p.save(os.Geteuid())
	ask(address, "second\n")
	p.kill()
	p, address = begin("restore.", binary(t, "ckpt"), "restore", "myckpt")
	ask(address, "third\n")
	ask(address, "end\n")
	if code := p.wait(); code != 0 {
		t.Errorf("status %d at the end", code)
	}
}

// connection makes a TCP connection.
func connection(t *testing.T) (ours net.Conn, theirs *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if theirs, err = c.(*net.TCPConn).File(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}
