package tests

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

func timeout() <-chan time.Time { return time.After(bound) }

// terminal is a pseudo-terminal whose output is collected.
type terminal struct {
	master *os.File
	hungUp chan struct{} // closed when nobody has the other side open any more
	mu     sync.Mutex
	output strings.Builder
}

// onTerminal starts a command on a new terminal of its own session.
func onTerminal(t *testing.T, c command) (*process, *terminal) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	c.setup = func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr.Setpgid = false
		cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	}
	p := start(t, c)
	term := &terminal{master: master, hungUp: make(chan struct{})}
	t.Cleanup(func() { master.Close() })
	go func() {
		defer close(term.hungUp)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			term.mu.Lock()
			term.output.Write(b[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p, term
}

func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.output.String()
}

// await waits until the text is on the terminal.
func (term *terminal) await(t *testing.T, p *process, want string) {
	t.Helper()
	end := timeout()
	for !strings.Contains(term.text(), want) {
		select {
		case <-term.hungUp:
			if !strings.Contains(term.text(), want) {
				t.Fatalf("no %q on the terminal, and status %d: %q", want, p.wait(), term.text())
			}
		case <-end:
			t.Fatalf("no %q on the terminal: %q; %s", want, term.text(), p.describe())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (term *terminal) termios(t *testing.T) *unix.Termios {
	t.Helper()
	tio, err := unix.IoctlGetTermios(int(term.master.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return tio
}

// TestTerminal: a program in raw mode on a terminal is restored on another one,
// which then is in the same raw mode; a read that was waiting goes on.
func TestTerminal(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	p, term := onTerminal(t, command{argv: []string{target(t, "tty")}, dir: dir, uid: os.Geteuid()})
	term.await(t, p, "ready")
	raw := term.termios(t)
	if raw.Lflag&(unix.ICANON|unix.ECHO) != 0 {
		t.Fatal("the terminal is not in raw mode")
	}
	eventually(t, "the program reading", func() bool { return p.syscall() == unix.SYS_READ })
	p.save(os.Geteuid(), "--then", "kill")
	p.wait()

	p, term = onTerminal(t, command{
		argv: []string{binary(t, "ckpt"), "restore", "myckpt"}, dir: dir, uid: os.Geteuid(), prefix: "restore.",
	})
	eventually(t, "the restored program reading; "+term.text(), func() bool {
		return p.ended() || p.comm() == "tty" && p.syscall() == unix.SYS_READ
	})
	if now := term.termios(t); now.Lflag != raw.Lflag || now.Iflag != raw.Iflag || now.Oflag != raw.Oflag ||
		now.Cflag != raw.Cflag || now.Cc != raw.Cc {
		t.Errorf("terminal settings %+v, were %+v", now, raw)
	}
	if _, err := term.master.WriteString("k"); err != nil {
		t.Fatal(err)
	}
	term.await(t, p, "key k, same terminal")
	if code := p.wait(); code != 0 {
		t.Errorf("status %d: %s", code, term.text())
	}
}

// TestJobControl: a shell with a job in the foreground is restored on another
// terminal: the job is in the foreground there, and the shell waits for it.
func TestJobControl(t *testing.T) {
	needRoot(t)
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	p, term := onTerminal(t, command{
		argv: []string{"bash", "--norc", "--noprofile", "-i"}, env: []string{"PS1=ready> "}, dir: dir, uid: os.Geteuid(),
	})
	term.await(t, p, "ready> ")
	say := func(line, want string) {
		t.Helper()
		if _, err := term.master.WriteString(line); err != nil {
			t.Fatal(err)
		}
		term.await(t, p, want)
	}
	say("sleep 1000 & echo jobs: $(jobs -p | wc -l)\n", "jobs: 1")
	say("sed -u 's/^/answer: /'\n", "sed -u")
	say("first\n", "answer: first\r\n")
	members := p.family()
	p.save(os.Geteuid(), "--then", "kill")
	p.wait()
	p.buryFamily(members)

	p, term = onTerminal(t, command{
		argv: []string{binary(t, "ckpt"), "restore", "myckpt"}, dir: dir, uid: os.Geteuid(), prefix: "restore.",
	})
	say("second\n", "answer: second\r\n")
	say("\x03", "ready> ") // interrupts the job only
	say("echo left: $(jobs -p | wc -l)\n", "left: 1")
	say("kill %1; wait %1; echo done: $?\n", "done: 143")
	say("exit 7\n", "exit")
	if code := p.wait(); code != 7 {
		t.Errorf("status %d: %s", code, term.text())
	}
}
