package kind

import (
	"testing"

	"golang.org/x/sys/unix"
)

func sendFDs(t *testing.T, to int, text string, fds ...int) {
	t.Helper()
	if err := unix.Sendmsg(to, []byte(text), unix.UnixRights(fds...), nil, unix.MSG_DONTWAIT); err != nil {
		t.Fatal(err)
	}
}

func (w *world) receiveFDs(from int, want string) (fds []int) {
	w.t.Helper()
	buf, control := make([]byte, 100), make([]byte, 1000)
	n, cn, _, _, err := unix.Recvmsg(from, buf, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil || string(buf[:n]) != want {
		w.t.Fatalf("received %q, %v, want %q", buf[:n], err, want)
	}
	parts, err := unix.ParseSocketControlMessage(control[:cn])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range parts {
		got, err := unix.ParseUnixRights(&p)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, fd := range got {
			fds = append(fds, w.keep(fd, nil))
		}
	}
	return fds
}

func TestDescriptorsInFlight(t *testing.T) {
	t.Parallel()
	for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET} {
		w := newWorld(t)
		a, b := w.unixPair(typ)
		kept, flown := w.open(file(t, "kept"), unix.O_RDWR, 0), w.open(file(t, "flown"), unix.O_RDONLY, 0)
		r, wr := w.pipe(0)
		c, d := w.unixPair(unix.SOCK_STREAM)
		memfd := w.keep(unix.MemfdCreate("m", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING))
		writeAll(t, memfd, "memory")
		if _, err := unix.FcntlInt(uintptr(memfd), unix.F_ADD_SEALS, unix.F_SEAL_GROW); err != nil {
			t.Fatal(err)
		}
		send(t, a, "before")
		sendFDs(t, a, "files", kept, flown)
		send(t, a, "between")
		sendFDs(t, a, "channels", wr, d, memfd)
		send(t, a, "after")
		if _, err := unix.Seek(flown, 2, 0); err != nil {
			t.Fatal(err)
		}
		for _, fd := range []int{flown, wr, d, memfd} {
			w.shut(fd)
		}
		w.save(a, b, kept, r, c)
		w.restore()
		wait := func(parts ...string) (fds []int) {
			for _, p := range parts {
				fds = append(fds, w.receiveFDs(b, p)...)
			}
			return fds
		}
		var fds []int
		if typ == unix.SOCK_STREAM { // the kernel joins what has no descriptors with what comes next
			fds = wait("beforefiles", "betweenchannels", "after")
		} else {
			fds = wait("before", "files", "between", "channels", "after")
		}
		if len(fds) != 5 {
			t.Fatalf("%d descriptors", len(fds))
		}
		writeAll(t, kept, "K")
		if posOf(t, fds[0]) != 1 {
			t.Error("the first is not the one that was kept")
		}
		if got := readOnce(t, fds[1], 100); got != "own" {
			t.Errorf("the second reads %q", got)
		}
		writeAll(t, fds[2], "through the pipe")
		if got := readOnce(t, r, 100); got != "through the pipe" {
			t.Errorf("the pipe reads %q", got)
		}
		send(t, fds[3], "socket")
		wantReceived(t, c, "socket")
		if seals, err := unix.FcntlInt(uintptr(fds[4]), unix.F_GET_SEALS, 0); err != nil || seals != unix.F_SEAL_GROW || readAt(t, fds[4], 10) != "memory" {
			t.Errorf("the memfd has seals %d, %v", seals, err)
		}
	}
}

// A socket that waits inside of itself, and one inside another.
func TestSocketsInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_DGRAM)
	c, d := w.unixPair(unix.SOCK_DGRAM)
	pipe, wr := w.pipe(0)
	sendFDs(t, c, "innermost", wr)
	sendFDs(t, a, "outer", b, d)
	w.shut(d)
	w.shut(wr)
	w.save(a, b, c, pipe)
	w.restore()
	fds := w.receiveFDs(b, "outer")
	if len(fds) != 2 {
		t.Fatalf("%d descriptors", len(fds))
	}
	send(t, a, "to myself")
	wantReceived(t, fds[0], "to myself")
	inner := w.receiveFDs(fds[1], "innermost")
	if len(inner) != 1 {
		t.Fatalf("%d descriptors", len(inner))
	}
	writeAll(t, inner[0], "deep")
	if got := readOnce(t, pipe, 10); got != "deep" {
		t.Errorf("read %q", got)
	}
}

// What was sent before a descriptor can be read without it.
func TestDescriptorsInFlightBehindBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.unixPair(unix.SOCK_STREAM)
	fd := w.open(file(t, "flown"), unix.O_RDONLY, 0)
	send(t, a, "before")
	sendFDs(t, a, "with", fd)
	send(t, a, "be")
	send(t, a, "tween")
	sendFDs(t, a, "again", fd)
	w.save(a, b, fd)
	w.restore()
	for _, part := range []string{"before", "with", "betwe", "en", "again"} {
		buf, control := make([]byte, len(part)), make([]byte, 100)
		n, cn, _, _, err := unix.Recvmsg(b, buf, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err != nil || string(buf[:n]) != part || (cn > 0) != (part == "with" || part == "again") {
			t.Fatalf("received %q with %d bytes of control, %v, want %q", buf[:n], cn, err, part)
		}
		if cn > 0 {
			parts, _ := unix.ParseSocketControlMessage(control[:cn])
			fds, err := unix.ParseUnixRights(&parts[0])
			if err != nil || len(fds) != 1 {
				t.Fatal(fds, err)
			}
			w.keep(fds[0], nil)
		}
	}
}
