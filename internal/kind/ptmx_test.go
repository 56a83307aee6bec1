package kind

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ckpt/internal/sys"
)

// newPty makes a pseudo terminal.
func (w *world) newPty() (master, slave, number int) {
	w.t.Helper()
	m, number, err := sys.OpenPty()
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := sys.OpenPtySlave(int(m.Fd()), unix.O_RDWR)
	if err != nil {
		w.t.Fatal(err)
	}
	master, slave = w.keep(sys.Dup(int(m.Fd()))), w.keep(sys.Dup(int(s.Fd())))
	_, _ = m.Close(), s.Close()
	if err := unix.SetNonblock(master, false); err != nil {
		w.t.Fatal(err)
	}
	return master, slave, number
}

func TestPtyPair(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master, slave, number := w.newPty()
	settings, err := sys.TermiosOf(slave)
	if err != nil {
		t.Fatal(err)
	}
	settings.Lflag &^= unix.ECHO | unix.ICANON
	settings.Cc[unix.VMIN] = 3
	size := sys.Winsize{Row: 33, Col: 77, Xpixel: 1, Ypixel: 2}
	for _, err := range []error{sys.SetTermios(slave, settings), sys.SetWinsize(slave, size), sys.SetPtyPacket(master, true)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.save(slave, master)
	if len(w.Warnings) > 0 {
		t.Errorf("warnings %q", w.Warnings)
	}
	w.restore()
	if got, err := sys.TermiosOf(slave); err != nil || got != settings {
		t.Errorf("settings %+v, %v, want %+v", got, err, settings)
	}
	if got, err := sys.WinsizeOf(master); err != nil || got != size {
		t.Errorf("size %+v, %v", got, err)
	}
	if is, err := sys.PtyNumber(master); err != nil || is != number && len(w.Warnings) != 1 {
		t.Errorf("number %d, %v, was %d; %q", is, err, number, w.Warnings)
	}
	writeAll(t, master, "abc")
	if got := readOnce(t, slave, 10); got != "abc" {
		t.Errorf("the slave read %q", got)
	}
	writeAll(t, slave, "def")
	if got := readOnce(t, master, 10); got != "\x00def" { // packet mode
		t.Errorf("the master read %q", got)
	}
}

func TestPtyWithoutSlave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left, slave, _ := w.newPty()
	w.shut(slave)
	fresh := w.open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	w.save(left, fresh)
	w.restore()
	if ready, err := sys.Poll(left); err != nil || !ready.Hup {
		t.Errorf("closed by all: %+v, %v", ready, err)
	}
	if ready, err := sys.Poll(fresh); err != nil || ready.Hup {
		t.Errorf("never opened: %+v, %v", ready, err)
	}
	if p, err := sys.PtyOf(fresh); err != nil || !p.Locked {
		t.Errorf("not locked any more: %+v, %v", p, err)
	}
}

// What waits stays where it is in the running program, and comes back: lines, an
// end of file, a line that is begun; what was shown.
func TestPtyKeepsWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master, slave, _ := w.newPty()
	writeAll(t, slave, "out\nput")
	waitUnread(t, master, 8) // with the carriage return
	if err := unix.SetNonblock(slave, true); err != nil {
		t.Fatal(err)
	}
	settings, err := sys.TermiosOf(slave)
	if err != nil {
		t.Fatal(err)
	}
	settings.Lflag &^= unix.ECHO
	settings.Cc[unix.VEOL] = ';'
	if err := sys.SetTermios(slave, settings); err != nil {
		t.Fatal(err)
	}
	writeAll(t, master, "first\nnone\x04\x04a;begun")
	waitUnread(t, slave, 12)
	w.save(master, slave)
	if len(w.Warnings) > 0 {
		t.Errorf("warnings %q", w.Warnings)
	}
	expect := func() {
		t.Helper()
		if is, err := sys.TermiosOf(slave); err != nil || is != settings {
			t.Errorf("settings %+v, %v, want %+v", is, err, settings)
		}
		if got := readOnce(t, master, 100); got != "out\r\nput" {
			t.Errorf("the master reads %q", got)
		}
		for _, want := range []string{"first\n", "none", "", "a;"} {
			if got := readOnce(t, slave, 100); got != want {
				t.Errorf("the slave reads %q, want %q", got, want)
			}
		}
		if n, err := unix.Read(slave, make([]byte, 100)); err != unix.EAGAIN {
			t.Errorf("a line that is not ended is read: %d, %v", n, err)
		}
		writeAll(t, master, " and ended\n")
		waitUnread(t, slave, 16)
		if got := readOnce(t, slave, 100); got != "begun and ended\n" {
			t.Errorf("the slave reads %q", got)
		}
		if sys.Readable(master) {
			t.Errorf("the master reads %q", readOnce(t, master, 100))
		}
	}
	expect()
	w.restore()
	expect()
}

// Without lines, less may wait than a read waits for.
func TestPtyKeepsRawInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master, slave, _ := w.newPty()
	settings, err := sys.TermiosOf(slave)
	if err != nil {
		t.Fatal(err)
	}
	settings.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	settings.Cc[unix.VMIN] = 100
	if err := sys.SetTermios(slave, settings); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("0123456789\r\x00\x04", 700)
	want := strings.ReplaceAll(long, "\r", "\n") // ICRNL
	writeAll(t, master, long)
	for range 1000 {
		if unread(t, slave) >= 4095 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	w.save(master, slave)
	w.restore()
	if err := unix.SetNonblock(slave, true); err != nil {
		t.Fatal(err)
	}
	got := ""
	for end := time.Now().Add(5 * time.Second); len(got) < len(want) && time.Now().Before(end); {
		b := make([]byte, 10000)
		n, err := unix.Read(slave, b)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		got += string(b[:n])
	}
	if got != want {
		t.Errorf("%d bytes, want %d: %.100q", len(got), len(want), got)
	}
}

// In packet mode nothing is touched.
func TestPtyLosesWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master, slave, number := w.newPty()
	if err := sys.SetPtyPacket(master, true); err != nil {
		t.Fatal(err)
	}
	writeAll(t, slave, "output")
	waitUnread(t, master, 6)
	w.save(master, slave)
	w.wantWarning(fmt.Sprintf("master of /dev/pts/%d", number), "6 bytes", "not saved")
	if got := readOnce(t, master, 10); got != "\x00output" {
		t.Errorf("the running program reads %q", got)
	}
}

// waitUnread waits for the kernel to hand over what was written.
func waitUnread(t *testing.T, fd, n int) {
	t.Helper()
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(p, 5000); err != nil || unread(t, fd) != n {
		t.Fatalf("%d bytes wait, %v, want %d", unread(t, fd), err, n)
	}
}

func TestPtyUsedOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master, slave, number := w.newPty()
	cmd := exec.Command("sleep", "60")
	file, err := sys.Reopen(slave, unix.O_RDWR|unix.O_NOCTTY)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdin = file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	w.all = []*Desc{w.desc(master), w.desc(slave)}
	_, err = w.describe(master)
	wantRefused(t, err, fmt.Sprintf("/dev/pts/%d", number), fmt.Sprintf("process %d", cmd.Process.Pid), "not saved with it")
}
