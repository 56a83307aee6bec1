package save

import (
	"context"
	"slices"
	"sync/atomic"

	"ckpt/internal/image"
)

// The memory of little processes is not copied to the image while they stand still,
// but to memory of ours, which takes a third of the time, and to the image when they
// run again. That memory is made and touched before.

// shelf is that memory.
type shelf struct {
	bytes []byte
	used  atomic.Int64
}

// shelfMost is the most that a shelf has, in bytes. What it has no room for is copied
// to the image.
const shelfMost = 32 << 20

// newShelf makes a shelf for so many bytes.
func newShelf(n uint64) *shelf {
	s := &shelf{bytes: make([]byte, min(n, shelfMost)/pageSize*pageSize)}
	for at := 0; at < len(s.bytes); at += pageSize {
		s.bytes[at] = 0 // the kernel gives memory when it is touched
	}
	return s
}

// room gives n bytes, or nil if there are not so many left.
func (s *shelf) room(n uint64) []byte {
	end := s.used.Add(int64(n))
	if end > int64(len(s.bytes)) {
		return nil
	}
	return s.bytes[end-int64(n) : end : end]
}

// shelved is a run of memory that was put there. There is nothing behind its bytes.
type shelved struct {
	image.Run
	bytes []byte
}

// copyLittle is copyFrozen of little memory, while others do the same.
func (m *member) copyLittle(ctx context.Context) error {
	into := m.copier(m.withFiles(m.frozen.mem))
	b := m.c.before.shelf.room(total(m.now))
	if b == nil {
		return inPieces(ctx, [][]byte{make([]byte, copyPiece)}, m.now, into.piece)
	}
	rest := b
	for _, r := range m.now {
		m.shelved = append(m.shelved, shelved{r, rest[:r.Len:r.Len]})
		rest = rest[r.Len:]
	}
	memory := scattered{pid: m.s.proc.PID, read: into.read}
	return memory.into(b, m.now, func(r image.Run, have int) {
		i := slices.IndexFunc(m.shelved, func(s shelved) bool { return s.Start == r.Start })
		m.shelved[i].bytes = m.shelved[i].bytes[:have]
	})
}

// emptyShelf copies what is on the shelf to the image.
func (c *collector) emptyShelf(ctx context.Context) error {
	return c.together(func(m *member) error {
		into := m.copier(nil)
		for _, s := range m.shelved {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := into.put(s.Run, s.bytes); err != nil {
				return err
			}
		}
		m.shelved = nil
		return nil
	})
}
