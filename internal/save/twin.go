package save

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// makeTwin copies the process, so that it can run on while its memory is saved.
// Where that is impossible the process stands still for as long, and the result
// says why.
func (m *member) makeTwin(in *ptrace.Injector) error {
	if err := m.mayHaveTwin(); err != nil {
		return err
	}
	twin, err := in.Twin()
	if err != nil {
		return err
	}
	mem, err := os.OpenFile(m.c.kin.fs.Process(twin.Tid()).Path("mem"), os.O_RDWR, 0)
	var told []ptrace.SystemCall
	if err == nil {
		told, err = twin.Open(mem, forkQueries)
	}
	if err == nil {
		m.twin = twin
		err = m.askTwin(told)
	}
	if err != nil {
		m.twin = nil
		twin.Kill()
		return err
	}
	return nil
}

func (m *member) mayHaveTwin() error {
	if m.c.o.Then == ThenRun && m.c.before.noRoom != nil {
		return m.c.before.noRoom
	}
	// The orphan that the twin is would become the child of the next child
	// subreaper above.
	for pid := m.s.pid; ; {
		above := m.c.member(pid)
		if above == nil {
			break
		}
		for !above.asked && m.turn.Pass() {
			// It is asked at the same time.
		}
		if above.p.Attributes.Subreaper {
			if above == m {
				return errors.New("the process is a child subreaper")
			}
			return fmt.Errorf("%s, above it, is a child subreaper", above.s.name())
		}
		pid = above.s.stat.PPid
	}
	if n := m.s.status.NSpid; len(n) > 0 && n[len(n)-1] == 1 {
		return errors.New("the process is the first of its pid namespace")
	}
	return nil
}

const (
	// twinCall is the most that a twin writes by one call, and twinBatch by one
	// batch, in bytes: each batch ends with a wait that can be 0.1 ms too long.
	twinCall  = 4 << 20
	twinBatch = 16 << 20
	// twinLeast is how much it has to be that the twin writes it, in bytes.
	twinLeast = 8 << 20
	// twinCalls is the most calls of a batch.
	twinCalls = 128
)

// twinWriter lets a twin write its memory to its places in the image, and takes
// it in as that proceeds. It is twice as fast as reading the memory from
// outside: nothing is copied twice.
type twinWriter struct {
	twin  *ptrace.Twin
	fd    uint64 // the image in the twin
	taker taker
	// rest is what the twin could not write: memory that it may not read, or
	// that is beyond the end of a mapped file; or all that is left where it may
	// not write at all. It has to be read from outside.
	rest []image.Run
}

// finishTwin takes from the twin what was not taken while the process stood
// still.
func (m *member) finishTwin(ctx context.Context) error {
	copyLater := m.copyTwin
	if m.copiedAhead() {
		copyLater = m.writeAhead
	}
	if len(m.later) > 0 && m.c.o.Compress == 0 {
		if err := copyLater(ctx); err != nil {
			return err
		}
	}
	if m.flags != nil {
		return m.flags.take(ctx, m)
	}
	return nil
}

// writeAhead writes what was copied ahead into the image.
func (m *member) writeAhead(ctx context.Context) error {
	return aside(ctx, &m.c.beat, stallLimit, func() error { return m.copier(m.laterMemory()).copy(ctx, m.later) })
}

// laterMemory has what is to be copied when the process runs again.
func (m *member) laterMemory() io.ReaderAt {
	if m.copiedAhead() {
		return m.c.inc.of(m).ahead
	}
	return m.twin.Memory()
}

// copyTwin copies the memory of the twin.
func (m *member) copyTwin(ctx context.Context) error {
	rest := m.later
	if total(rest) < twinLeast {
		// It would take longer to hand it the image.
	} else if fd, err := m.twinFile(); err == nil {
		w := &twinWriter{twin: m.twin, fd: fd}
		w.taker.start(m)
		err := w.write(ctx, m.space(), m.p.Areas, m.later)
		err = errors.Join(err, aside(ctx, &m.c.beat, stallLimit, w.taker.wait))
		if err != nil {
			return err
		}
		rest = w.rest
	}
	if len(rest) == 0 {
		return nil
	}
	return aside(ctx, &m.c.beat, stallLimit, func() error { return m.copier(m.twin.Memory()).copy(ctx, rest) })
}

// twinFile gives the twin the image and tells its descriptor number there.
func (m *member) twinFile() (uint64, error) {
	at, _ := m.twin.Scratch()
	if _, err := m.twin.Call(abi.SysSocketpair, sys.AFUnix, sys.SockDatagram, 0, at); err != nil {
		return 0, fmt.Errorf("socket of the copy: %w", err)
	}
	b := make([]byte, 8)
	if _, err := m.twin.Memory().ReadAt(b, int64(at)); err != nil {
		return 0, err
	}
	here, there := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if err := m.send(int(here)); err != nil {
		return 0, err
	}
	return m.receive(at, uint64(there))
}

// send sends the image into the twin's socket, whose other end is in the twin.
func (m *member) send(fd int) error {
	pidfd, err := sys.PidfdOpen(m.twin.Tid())
	if err != nil {
		return err
	}
	defer syscall.Close(pidfd)
	socket, err := sys.PidfdGetfd(pidfd, fd)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	return sys.SendDescriptor(socket, int(m.c.image.File().Fd()))
}

// receive lets the twin take what was sent.
func (m *member) receive(at, socket uint64) (uint64, error) {
	const header, iov, control = 0, 64, 128 // offsets in scratch memory
	b := make([]byte, control+sys.CmsgRightsSize)
	word := func(off int, v uint64) { binary.LittleEndian.PutUint64(b[off:], v) }
	word(header+16, at+iov) // msg_iov, msg_iovlen, msg_control, msg_controllen: see recvmsg(2)
	word(header+24, 1)
	word(header+32, at+control)
	word(header+40, sys.CmsgRightsSize)
	word(iov, at+iov+16)
	word(iov+8, 1)
	if _, err := m.twin.Memory().WriteAt(b, int64(at)); err != nil {
		return 0, err
	}
	if _, err := m.twin.Call(abi.SysRecvmsg, socket, at+header, sys.MsgDontWait|sys.MsgCmsgCloexec); err != nil {
		return 0, fmt.Errorf("give the image to the copy: %w", err)
	}
	if _, err := m.twin.Memory().ReadAt(b, int64(at)); err != nil {
		return 0, err
	}
	if n := binary.LittleEndian.Uint64(b[header+40:]); n != sys.CmsgRightsSize-4 && n != sys.CmsgRightsSize {
		return 0, errors.New("give the image to the copy: it did not arrive") // a security module forbids it
	}
	return uint64(binary.LittleEndian.Uint32(b[control+sys.CmsgRightsFD:])), nil
}

// write writes all runs.
func (w *twinWriter) write(ctx context.Context, im *image.SpaceWriter, areas []image.Area, runs []image.Run) error {
	queue := pieces{most: twinCall}
	for _, r := range runs {
		if a := areaAt(areas, r.Start); a != nil && a.Prot&image.ProtRead == 0 {
			w.rest = append(w.rest, r)
			continue
		}
		queue.runs = append(queue.runs, r)
	}
	var batch []ptrace.SystemCall
	var of []image.Run
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, of = batch[:0], of[:0]
		for n := uint64(0); n < twinBatch && len(batch) < twinCalls; {
			p, ok := queue.next()
			if !ok {
				break
			}
			n += p.Len
			of = append(of, p)
			batch = append(batch, ptrace.SystemCall{Nr: abi.SysPwrite64, Args: [6]uint64{w.fd, p.Start, p.Len, uint64(im.Place(p.Start))}})
		}
		if len(batch) == 0 {
			return nil
		}
		if err := w.twin.Batch(batch); err != nil {
			return err
		}
		able := true
		for i, p := range of {
			written := uint64(0)
			if r := batch[i].Result; r > 0 {
				written = min(uint64(r), p.Len) &^ (pageSize - 1)
			} else if syscall.Errno(-r) != syscall.EFAULT {
				able = false // to write: its limits are not ours
			}
			w.taker.add(image.Run{Start: p.Start, Len: written})
			if written < p.Len {
				w.rest = append(w.rest, image.Run{Start: p.Start + written, Len: p.Len - written})
			}
		}
		if !able {
			for p, ok := queue.next(); ok; p, ok = queue.next() {
				w.rest = append(w.rest, p)
			}
			return nil
		}
	}
}

// taker takes into the image what a twin has written, on the other processors.
type taker struct {
	m       *member
	mu      sync.Mutex
	more    *sync.Cond
	queue   pieces
	closed  bool
	workers sync.WaitGroup
	ended   []outcome
}

func (t *taker) start(m *member) {
	t.m, t.more, t.queue.most = m, sync.NewCond(&t.mu), copyPiece
	t.ended = make([]outcome, min(len(m.c.before.buffers), max(1, runtime.GOMAXPROCS(0)-1)))
	for i := range t.ended {
		t.workers.Go(func() {
			t.ended[i] = call(func() error { return t.work(m.c.before.buffers[i]) })
		})
	}
}

func (t *taker) add(r image.Run) {
	if r.Len == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue.runs = append(t.queue.runs, r)
	t.more.Broadcast()
}

func (t *taker) work(buf []byte) error {
	for {
		p, ok := t.next()
		if !ok {
			return nil
		}
		if err := t.m.space().Adopt(p.Start, buf[:p.Len]); err != nil {
			return &StoreError{t.m.c.o.Path, err}
		}
		t.m.c.step(p.Len)
	}
}

func (t *taker) next() (image.Run, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if p, ok := t.queue.next(); ok {
			return p, true
		}
		if t.closed {
			return image.Run{}, false
		}
		t.more.Wait()
	}
}

// wait waits until all that was added is in the image.
func (t *taker) wait() error {
	t.mu.Lock()
	t.closed = true
	t.more.Broadcast()
	t.mu.Unlock()
	t.workers.Wait()
	for _, o := range t.ended {
		if err := o.result(); err != nil {
			return err
		}
	}
	return nil
}
