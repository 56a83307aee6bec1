package kind

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// pipeContent is what waits in a pipe or FIFO to be read.
type pipeContent struct {
	Data     image.PayloadRef `json:"data"`
	Segments []pipeSegment    `json:"segments"`
}

// pipeSegment is one packet, of which a read takes all or drops the rest
// (O_DIRECT, see pipe(2)), or any number of bytes of a stream.
type pipeSegment struct {
	Len    int  `json:"len"`
	Packet bool `json:"packet,omitempty"`
}

const (
	pipePage = 4096    // capacity of a pipe of one buffer, and the longest packet
	maxMove  = 1 << 30 // more than any pipe holds
)

// savePipeContent stores what waits behind the read end in, without taking it
// out; nil if that is nothing. Precondition: whoever has it open stands still.
func savePipeContent(c *SaveContext, in *os.File) (*pipeContent, error) {
	data, segments, err := readPipe(int(in.Fd()))
	if err != nil || len(data) == 0 {
		return nil, err
	}
	n := int64(len(data))
	ref, err := c.AddPayload(bytes.NewReader(data), n, [][2]int64{{0, n}})
	return &pipeContent{Data: ref, Segments: segments}, err
}

// readPipe copies what is in a pipe. tee(2) gives buffers as they are, so a
// packet is still one in the copy; to tell, each buffer is moved to a pipe of
// its own (one with room for just one buffer takes just one) and a byte is put
// behind it: a read that does not get that byte ended at the end of a packet.
func readPipe(in int) (data []byte, segments []pipeSegment, err error) {
	waiting, err := sys.Unread(in)
	if err != nil || waiting == 0 {
		return nil, nil, err
	}
	size, err := sys.PipeSize(in)
	if err != nil {
		return nil, nil, err
	}
	pipes := [3]ownPipe{{size: size}, {size: pipePage}, {size: 2 * pipePage}}
	for i := range pipes {
		if err := pipes[i].open(); err != nil {
			return nil, nil, err
		}
		defer pipes[i].close()
	}
	all, single, probe := &pipes[0], &pipes[1], &pipes[2]
	total, err := sys.Tee(in, all.write(), maxMove)
	if err != nil {
		return nil, nil, err
	}
	if total < waiting {
		return nil, nil, errPipeMemory
	}
	for len(data) < total {
		n, err := sys.Splice(all.read(), single.write(), maxMove)
		if err == nil {
			_, err = sys.Splice(single.read(), probe.write(), maxMove)
		}
		if err == nil {
			_, err = sys.Write(probe.write(), []byte{0})
		}
		if err != nil {
			return nil, nil, err
		}
		b := make([]byte, n+1)
		got, err := sys.Read(probe.read(), b)
		if err != nil {
			return nil, nil, err
		}
		packet := got == n
		if packet {
			if _, err := sys.Read(probe.read(), b[n:]); err != nil {
				return nil, nil, err
			}
		}
		data = append(data, b[:n]...)
		segments = addSegment(segments, pipeSegment{n, packet})
	}
	return data, segments, nil
}

// errPipeMemory says why not all could be copied.
var errPipeMemory = errors.New("too much waits in it for the pipes that this user may still make (/proc/sys/fs/pipe-user-pages-soft)")

func addSegment(list []pipeSegment, s pipeSegment) []pipeSegment {
	if last := len(list) - 1; last >= 0 && !s.Packet && !list[last].Packet {
		list[last].Len += s.Len
		return list
	}
	return append(list, s)
}

// ownPipe is a pipe of this process.
type ownPipe struct {
	size int // capacity, bytes
	r, w *os.File
}

func (p *ownPipe) open() (err error) {
	if p.r, p.w, err = sys.Pipe(); err != nil {
		return err
	}
	// Who has many pipes gets only small ones, which are large enough for little.
	if err := sys.SetPipeSize(p.write(), p.size); err != nil && !errors.Is(err, syscall.EPERM) {
		p.close()
		return fmt.Errorf("a pipe of %d bytes: %w", p.size, err)
	}
	return nil
}

func (p *ownPipe) close() {
	_ = p.r.Close() // nothing is written by closing a pipe
	_ = p.w.Close()
}

func (p *ownPipe) read() int  { return int(p.r.Fd()) }
func (p *ownPipe) write() int { return int(p.w.Fd()) }

// fillPipe puts content back into the pipe behind the write end out, which has
// O_NONBLOCK, packet by packet. Its O_DIRECT is changed on the way.
func fillPipe(out int, data io.ReaderAt, c *pipeContent) error {
	pos := int64(0)
	for i, s := range c.Segments {
		if s.Len <= 0 || int64(s.Len) > c.Data.Size-pos || s.Packet && s.Len > pipePage {
			return fmt.Errorf("%w: segment of %d bytes at %d of %d", image.ErrCorrupt, s.Len, pos, c.Data.Size)
		}
		flags := sys.ONonblock
		if s.Packet {
			flags |= sys.ODirect
		}
		if err := sys.SetStatusFlags(out, flags); err != nil {
			return err
		}
		write := func(b []byte) (int, error) { return sys.Write(out, b) }
		if !s.Packet && i+1 < len(c.Segments) {
			write = func(b []byte) (int, error) { return writeApart(out, b) }
		}
		if err := copySegment(write, io.NewSectionReader(data, pos, int64(s.Len))); err != nil {
			return fmt.Errorf("put back %d bytes at %d of %d: %w", s.Len, pos, c.Data.Size, err)
		}
		pos += int64(s.Len)
	}
	if pos != c.Data.Size {
		return fmt.Errorf("%w: segments have %d bytes of %d", image.ErrCorrupt, pos, c.Data.Size)
	}
	return nil
}

func copySegment(write func(b []byte) (int, error), data *io.SectionReader) error {
	buf := make([]byte, pipePage)
	for pos := int64(0); pos < data.Size(); {
		b := buf[:min(int64(len(buf)), data.Size()-pos)]
		if n, err := data.ReadAt(b, pos); n < len(b) {
			return err // one that comes with all of b is the end
		}
		n, err := write(b)
		if err != nil {
			return err
		}
		pos += int64(n)
	}
	return nil
}

// writeApart writes b, up to a page, so that nothing will be joined to it: the
// kernel puts even a packet into the same buffer with bytes of a stream before
// it, if they were written and there is room. What tee(2) gives stays apart.
func writeApart(out int, b []byte) (int, error) {
	own := ownPipe{size: pipePage}
	if err := own.open(); err != nil {
		return 0, err
	}
	defer own.close()
	if _, err := sys.Write(own.write(), b); err != nil {
		return 0, err
	}
	return sys.Tee(own.read(), out, len(b))
}
