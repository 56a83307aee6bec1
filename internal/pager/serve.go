package pager

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// source is the image, as the server uses it.
type source interface {
	Chunks(of image.Piece) iter.Seq2[int, image.Chunk]
	ReadChunk(i int, buf []byte) ([]byte, error)
}

// server gives processes what they miss, who waits for it first.
type server struct {
	im     source
	spaces []*space
	warden int // socket: its end says that the warden is gone
	buf    []byte
	chunk  int // whose content is in buf; -1: none
	data   []byte
}

func newServer(im source, warden int, program *space) *server {
	return &server{im: im, warden: warden, spaces: []*space{program}, buf: make([]byte, image.MaxChunk), chunk: -1}
}

// serve ends when all is given, or nobody is left who could get it.
func (s *server) serve() error {
	for {
		if s.spaces = slices.DeleteFunc(s.spaces, (*space).over); s.complete() {
			return nil
		}
		if err := s.attend(0); err != nil {
			return err
		}
		if err := s.prefetch(); err != nil {
			return err
		}
	}
}

// attend does what is asked for now. It waits for that, timeout milliseconds at most.
func (s *server) attend(timeout int) error {
	fds := []int{s.warden}
	for _, sp := range s.spaces {
		fds = append(fds, sp.uffd)
	}
	ready, err := sys.PollIn(fds, timeout)
	if err != nil {
		return err
	}
	if ready[0] {
		return errors.New("the process that watches this one has ended")
	}
	for i, sp := range slices.Clone(s.spaces) {
		if ready[i+1] {
			err = errors.Join(err, sp.note(s.listen(sp)))
		}
		for _, page := range sp.take() {
			err = errors.Join(err, sp.note(s.answer(sp, page)))
		}
	}
	return err
}

// note makes of what happened to a space an error only if it is one.
func (s *space) note(err error) error {
	switch {
	case errors.Is(err, errGone):
		s.uffd = -1
		return nil
	case errors.Is(err, errEvent):
		runtime.Gosched() // it is read in the next turn
		return nil
	}
	return err
}

func (s *space) over() bool { return s.uffd < 0 }

// take gives the pages that are asked for.
func (s *space) take() []uint64 {
	asked := s.asked
	s.asked = nil
	return asked
}

// complete reports whether nothing is missing anywhere.
func (s *server) complete() bool {
	return !slices.ContainsFunc(s.spaces, func(sp *space) bool { return len(sp.missing) > 0 })
}

// listen reads what the kernel has to tell of a space.
func (s *server) listen(sp *space) error {
	for {
		m, err := sys.ReadUserfaultfd(sp.uffd)
		if err != nil || m == nil {
			return err
		}
		switch m.Event {
		case sys.UffdPageFault:
			sp.asked = append(sp.asked, m.Start&^(pageSize-1))
			continue
		case sys.UffdFork:
			child := sp.fork(m.Child)
			s.spaces = append(s.spaces, child)
			if err := sys.SendDescriptor(s.warden, m.Child); err != nil {
				return fmt.Errorf("hand the memory of a child on: %w", err)
			}
			continue
		case sys.UffdRemap:
			sp.move(m.Start, m.End, m.To)
		case sys.UffdRemove:
			sp.cut(m.Start, m.End)
		case sys.UffdUnmap:
			sp.unmap(m.Start, m.End)
		default:
			return fmt.Errorf("the kernel tells of an event %#x", m.Event)
		}
		// Whoever waits for a page there has to look again.
		if err := sys.UserfaultfdWake(sp.uffd, m.Start, m.End); err != nil {
			return err
		}
	}
}

// answer gives a page that somebody waits for, with what is near.
func (s *server) answer(sp *space, page uint64) error {
	var err error
	if i := sp.find(page); i < len(sp.missing) && sp.missing[i].Addr <= page {
		err = s.give(sp, sp.missing[i].After(page-sp.missing[i].Addr))
	} else {
		err = sp.zero(page)
	}
	if errors.Is(err, errEvent) {
		sp.asked = append(sp.asked, page)
	}
	return err
}

// prefetch gives somebody what is missing first.
func (s *server) prefetch() error {
	for _, sp := range s.spaces {
		if len(sp.missing) > 0 && !sp.over() {
			return sp.note(s.give(sp, sp.missing[0]))
		}
	}
	return nil
}

// give gives as much of a missing piece as is in its first chunk, and that is
// undamaged.
func (s *server) give(sp *space, p image.Piece) error {
	for i, c := range s.im.Chunks(p) {
		if s.chunk != i {
			s.chunk = -1
			var err error
			if s.data, err = s.im.ReadChunk(i, s.buf); err != nil {
				return err
			}
			s.chunk = i
		}
		off := p.Pos - c.Pos
		return sp.give(p.Addr, s.data[off:min(uint64(len(s.data)), off+p.Len)])
	}
	return fmt.Errorf("nothing is saved of %#x", p.Addr)
}
