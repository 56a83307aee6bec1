package kind

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// unixQueue is what waits in a unix socket to be received.
type unixQueue struct {
	Data     image.PayloadRef `json:"data"`
	Messages []unixMessage    `json:"messages"`
}

// unixMessage is one message, or of a stream the bytes that came together with
// the same descriptors and credentials.
type unixMessage struct {
	Len   int           `json:"len"`
	From  []byte        `json:"from,omitempty"` // sender's name
	Cred  *sys.UnixCred `json:"cred,omitempty"`
	Files []int         `json:"files,omitempty"` // OpenFile.ID
}

// maxUnixQueue bounds what is read, and believed, of a queue.
const maxUnixQueue = 1 << 30

// find reads the queue of a socket, since there may be open files in it.
func (unixSocket) find(c *SaveContext, d *Desc) error {
	s, err := c.diagnose(d)
	if err != nil {
		return nil // Save says so
	}
	if _, done := c.queues[s.Ino]; done || s.Listens || s.Type == sys.SockSeqpacket && !s.HasPeer {
		return nil // what is not connected can not be asked
	}
	local, err := c.Local(d)
	if err != nil {
		return err
	}
	fd := int(local.Fd())
	// An error that waits to be reported would be reported to us; of a stream
	// only when nothing is left to read.
	if ready, err := sys.Poll(fd); err != nil || ready.Pri || ready.Err && s.Type != sys.SockStream {
		return err
	}
	was, err := sys.PeekOff(fd)
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	messages, err := readUnix(fd, s, was)
	if s.Type == sys.SockStream {
		messages = splitUnix(messages)
	}
	defer func() {
		for i := range messages {
			messages[i].Close() // those that were not handed over
		}
	}()
	if err != nil {
		return fmt.Errorf("%s: look at what waits in it: %w", d.object(), err)
	}
	q, err := storeUnix(c, messages)
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	if c.queues == nil {
		c.queues = map[uint32]*unixQueue{}
	}
	c.queues[s.Ino] = q
	return nil
}

// readUnix copies what waits in a socket without taking it out. was is its
// SO_PEEK_OFF, which is changed for a moment only if there is more than one part:
// if this process is killed just then, the program would find it changed.
func readUnix(fd int, s *sys.UnixSocket, was int) (messages []sys.UnixMessage, err error) {
	// A part of a stream that has descriptors must be read whole, or it would
	// show them again: there is room for all.
	limit := s.Queue
	if s.Type != sys.SockStream {
		limit = max(limit, 64<<10)
	}
	if s.Type == sys.SockStream && limit == 0 {
		return nil, nil
	}
	if was == -1 {
		m, size, err := sys.PeekUnix(fd, -1, limit)
		if errors.Is(err, syscall.EAGAIN) || err == nil && size == 0 && endsWith(s) {
			m.Close()
			return nil, nil
		}
		if err != nil || s.Type == sys.SockStream && size == s.Queue || size == 0 {
			messages = append(messages, m)
		} else {
			m.Close() // it is found again
		}
		if err != nil || s.Type == sys.SockStream && size == s.Queue {
			return messages, err
		}
	}
	defer func() { err = errors.Join(err, sys.SetPeekOff(fd, was)) }()
	for at := 0; at < maxUnixQueue; {
		if s.Type == sys.SockStream && at >= s.Queue {
			return messages, nil // reading on could take out an error
		}
		m, size, err := sys.PeekUnix(fd, at, limit)
		if err == nil && size > limit {
			m.Close()
			limit = size
			m, size, err = sys.PeekUnix(fd, at, limit)
		}
		if errors.Is(err, syscall.EAGAIN) {
			return messages, nil
		}
		if err != nil {
			m.Close()
			return messages, err
		}
		if size == 0 && endsWith(s) {
			return messages, nil
		}
		messages = append(messages, m)
		at += size
	}
	return messages, nil
}

// splitUnix takes the parts of a stream that have descriptors apart. They are
// shown with all that was sent before them, too, and nothing tells where they
// came: so they come with the last byte. Who reads up to where they came gets none
// yet, and who reads on gets all of it in one.
func splitUnix(messages []sys.UnixMessage) (split []sys.UnixMessage) {
	for _, m := range messages {
		if last := len(m.Data) - 1; len(m.Files) > 0 && last > 0 {
			split = append(split, sys.UnixMessage{Data: m.Data[:last], From: m.From, Cred: m.Cred})
			m.Data = m.Data[last:]
		}
		split = append(split, m)
	}
	return split
}

// endsWith reports whether nothing read from the socket is its end, and not an
// empty message.
func endsWith(s *sys.UnixSocket) bool {
	return s.Type == sys.SockStream || s.Type == sys.SockSeqpacket && s.Shutdown&sys.UnixShutRead != 0
}

// storeUnix puts messages into the image; nil if there are none. It takes over
// their descriptors.
func storeUnix(c *SaveContext, messages []sys.UnixMessage) (*unixQueue, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	q := &unixQueue{}
	var data []byte
	for i := range messages {
		m := &messages[i]
		u := unixMessage{Len: len(m.Data), From: m.From, Cred: m.Cred}
		for len(m.Files) > 0 {
			file := m.Files[0]
			m.Files = m.Files[1:]
			id, err := c.Found(file)
			if err != nil {
				return nil, fmt.Errorf("a descriptor in flight: %w", err)
			}
			u.Files = append(u.Files, id)
		}
		q.Messages = append(q.Messages, u)
		data = append(data, m.Data...)
	}
	n := int64(len(data))
	var extents [][2]int64
	if n > 0 {
		extents = [][2]int64{{0, n}}
	}
	var err error
	q.Data, err = c.AddPayload(bytes.NewReader(data), n, extents)
	return q, err
}
