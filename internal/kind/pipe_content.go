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
	if errors.Is(err, syscall.EAGAIN) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
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
	if err := sys.SetPipeSize(p.write(), p.size); err != nil {
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
	buf := make([]byte, 64<<10)
	for _, s := range c.Segments {
		if s.Len <= 0 || int64(s.Len) > c.Data.Size-pos || s.Packet && s.Len > pipePage {
			return fmt.Errorf("segment of %d bytes at %d of %d", s.Len, pos, c.Data.Size)
		}
		flags := sys.ONonblock
		if s.Packet {
			flags |= sys.ODirect
		}
		if err := sys.SetStatusFlags(out, flags); err != nil {
			return err
		}
		for end := pos + int64(s.Len); pos < end; {
			b := buf[:min(int64(len(buf)), end-pos)]
			if _, err := data.ReadAt(b, pos); err != nil {
				return fmt.Errorf("read content at %d: %w", pos, err)
			}
			n, err := sys.Write(out, b)
			if err != nil {
				return fmt.Errorf("put back byte %d of %d: %w", pos, c.Data.Size, err)
			}
			pos += int64(n)
		}
	}
	if pos != c.Data.Size {
		return fmt.Errorf("segments have %d bytes of %d", pos, c.Data.Size)
	}
	return nil
}
