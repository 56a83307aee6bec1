package kind

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// What waits in a pseudo terminal to be read can not be looked at without taking
// it out. So it is taken out and put back at once, while nobody runs who could
// notice: if this process was killed just then, it would be lost. Where putting
// it back might fail, it is left alone.
//
// A line that is only begun can not be seen until it is ended, and to end it
// would be seen by a program if this process was killed just then. It is lost,
// unless whole lines wait before it.

// ptyQueues are what waits in a pseudo terminal.
type ptyQueues struct {
	Data   image.PayloadRef `json:"data"`             // the output, then the input
	Output int              `json:"output,omitempty"` // bytes for the master
	Input  []ptyPart        `json:"input,omitempty"`  // for the slave
}

// ptyPart is what one read(2) gives: a line, if the terminal makes lines.
type ptyPart struct {
	Len int `json:"len"`

	// Ended says that nothing but an end-of-file character ends the line.
	Ended bool `json:"ended,omitempty"`
}

// queuedPty is a pseudo terminal whose queues are worked on, by an own open file
// of its slave's side.
type queuedPty struct {
	master int
	slave  *os.File
	was    sys.Termios
}

// saveQueues takes a copy of what waits; nil if nothing does, or if it has to be
// left alone.
func (det *ptmxDetail) saveQueues(c *SaveContext, object string, master int) (*ptyQueues, error) {
	slave, err := sys.OpenPtySlave(master, sys.ORdwr|sys.ONonblock)
	if err != nil {
		warnUnread(c, object, master) // it is locked
		return nil, nil
	}
	defer slave.Close()
	q := queuedPty{master, slave, det.Termios}
	output, input := sys.Readable(master), q.waits()
	if !output && !input {
		return nil, nil
	}
	_, err = sys.ForegroundGroup(q.fd())
	own := err == nil // who has to stop if he touches it in the background
	if det.Pty.Packet || own || output && !sys.Writable(q.fd()) {
		warnUnread(c, object, master)
		warnUnread(c, object, q.fd())
		return nil, nil
	}
	var out, in []byte
	var parts []ptyPart
	if output {
		if out, err = q.copyOutput(); err != nil {
			return nil, err
		}
	}
	if input {
		if in, parts, err = q.copyInput(); err != nil {
			return nil, err
		}
	}
	queues := &ptyQueues{Output: len(out), Input: parts}
	n := int64(len(out) + len(in))
	queues.Data, err = c.AddPayload(bytes.NewReader(append(out, in...)), n, [][2]int64{{0, n}})
	return queues, err
}

func (q *queuedPty) fd() int { return int(q.slave.Fd()) }

// waits reports whether the slave has something to read. Without lines poll(2)
// tells only of as much as a read would wait for (VMIN).
func (q *queuedPty) waits() bool {
	if sys.Readable(q.fd()) {
		return true
	}
	n, err := sys.Unread(q.fd())
	return err == nil && n > 0
}

func (q *queuedPty) copyOutput() ([]byte, error) {
	var out []byte
	buf := make([]byte, maxPtyRead)
	for sys.Readable(q.master) {
		n, err := sys.Read(q.master, buf)
		out = append(out, buf[:n]...)
		if err != nil || n == 0 {
			break // EIO: the slave was closed, and this was all
		}
	}
	return out, q.putOutput(out)
}

// maxPtyRead is what one read of a terminal gives at most (N_TTY_BUF_SIZE).
const maxPtyRead = 4096

// canonical reports whether the terminal makes lines of its input.
func (q *queuedPty) canonical() bool { return q.was.Lflag&sys.TermICANON != 0 }

func (q *queuedPty) copyInput() (in []byte, parts []ptyPart, err error) {
	take := func() error {
		buf := make([]byte, maxPtyRead)
		for q.waits() {
			n, err := sys.Read(q.fd(), buf)
			if err != nil {
				return err
			}
			in = append(in, buf[:n]...)
			parts = append(parts, ptyPart{n, q.canonical() && (n == 0 || buf[n-1] != '\n')})
		}
		return nil
	}
	if err = take(); err != nil || !q.canonical() {
		return in, parts, errors.Join(err, q.putInput(in, parts))
	}
	// A line that is begun is behind all of this, and has to stay there. Ended,
	// it is a part of its own; if there is none, an empty one.
	whole := len(parts)
	err = q.quietly(func() error {
		if err := q.write(q.master, []byte{ptyEnd}); err != nil || !q.await() {
			return err
		}
		return take()
	})
	begun := parts[whole:]
	parts = parts[:whole]
	if len(begun) == 1 && begun[0].Len > 0 {
		parts = append(parts, ptyPart{Len: begun[0].Len})
	}
	return in, parts, errors.Join(err, q.putInput(in, parts))
}

// await waits until there is something to be read: the kernel hands over what was
// written a little later.
func (q *queuedPty) await() bool {
	for end := time.Now().Add(ptyPatience); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		if sys.Readable(q.fd()) {
			return true
		}
	}
	return false
}

// ptyPatience is how long the kernel may take to hand over what was written to a
// terminal.
const ptyPatience = time.Second

// ptyEnd is the end-of-file character while input is put into a terminal.
const ptyEnd = 4

// quietly does something while the terminal takes in what is written as it is:
// no echo, no signals, no characters with a meaning but the newline and ptyEnd.
func (q *queuedPty) quietly(do func() error) error {
	t := q.was
	t.Iflag, t.Oflag = 0, 0
	t.Lflag &= sys.TermICANON
	t.Cc = [len(t.Cc)]byte{}
	t.Cc[sys.TermVEOF] = ptyEnd
	if !q.canonical() {
		t.Cc = q.was.Cc
	}
	if err := sys.SetTermios(q.master, t); err != nil {
		return err
	}
	return errors.Join(do(), sys.SetTermios(q.master, q.was))
}

func (q *queuedPty) putOutput(out []byte) error {
	if len(out) == 0 {
		return nil
	}
	return q.quietly(func() error { return q.write(q.fd(), out) })
}

// putInput writes input to the master, and waits until it has arrived at the
// slave: until then the settings may not be changed.
func (q *queuedPty) putInput(in []byte, parts []ptyPart) error {
	if len(parts) == 0 {
		return nil
	}
	return q.quietly(func() error {
		lines := 0
		for _, p := range parts {
			b := in[:p.Len:p.Len]
			in = in[p.Len:]
			if p.Ended {
				b = append(b, ptyEnd)
			}
			if err := q.write(q.master, b); err != nil {
				return err
			}
			if !q.canonical() || p.Ended || bytes.HasSuffix(b, []byte{'\n'}) {
				lines += p.Len
			}
		}
		defer time.Sleep(time.Millisecond) // for what is begun, which nothing tells of
		lines = min(lines, maxPtyRead/2)   // it may be more than fits at once
		for end := time.Now().Add(ptyPatience); ; time.Sleep(100 * time.Microsecond) {
			n, err := sys.Unread(q.fd())
			if err != nil || n >= lines {
				return err
			}
			if time.Now().After(end) {
				return fmt.Errorf("%d of %d bytes have arrived in the terminal", n, lines)
			}
		}
	})
}

// write writes all of b, waiting for the kernel to make room.
func (q *queuedPty) write(fd int, b []byte) error {
	for end := time.Now().Add(ptyPatience); len(b) > 0; {
		n, err := sys.Write(fd, b)
		if err != nil && (!errors.Is(err, syscall.EAGAIN) || time.Now().After(end)) {
			return fmt.Errorf("put back %d bytes: %w", len(b), err)
		}
		b = b[max(n, 0):]
		if err != nil {
			time.Sleep(100 * time.Microsecond)
		}
	}
	return nil
}

// fill puts back what waited in a terminal that was made again.
func (p *ptyPair) fill(r *RestoreContext) error {
	queues := p.det.Queues
	if queues == nil {
		return nil
	}
	size := queues.Data.Size
	if size > maxPtyQueues || queues.Output < 0 || int64(queues.Output) > size {
		return fmt.Errorf("%w: %d bytes wait in a terminal, %d of them for its master", image.ErrCorrupt, size, queues.Output)
	}
	data := make([]byte, size)
	if n, err := r.Payload(queues.Data).ReadAt(data, 0); n < len(data) && !errors.Is(err, io.EOF) {
		return err
	}
	left := len(data) - queues.Output
	for _, part := range queues.Input {
		if part.Len < 0 || part.Len > left {
			return fmt.Errorf("%w: a line of %d bytes, with %d left", image.ErrCorrupt, part.Len, left)
		}
		left -= part.Len
	}
	slave, err := sys.OpenPtySlave(int(p.master.Fd()), sys.ORdwr|sys.ONonblock)
	if err != nil {
		return err
	}
	defer slave.Close()
	q := queuedPty{int(p.master.Fd()), slave, p.det.Termios}
	return errors.Join(q.putOutput(data[:queues.Output]), q.putInput(data[queues.Output:], queues.Input))
}

// maxPtyQueues bounds what can wait in a terminal, both ways: the kernel has
// buffers of 64 KiB and of a page each way.
const maxPtyQueues = 1 << 20
