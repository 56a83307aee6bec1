package pager

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

const pageSize = image.PageSize

// space is the memory of one process that has pages missing: the program, or a
// child that it has forked since.
type space struct {
	uffd int
	// missing are what the image has for it and it has not got yet, by address. What
	// else is missing in the watched mappings is zero.
	missing []image.Piece
	// moved are where memory was before an mremap(2), which the kernel will say is
	// unmapped. By then, something else may have been moved there.
	moved []image.AddrRange
	// asked are pages that somebody waits for, and that could not be given yet.
	asked []uint64
}

// find is the index of the first missing piece that ends behind addr.
func (s *space) find(addr uint64) int {
	return sort.Search(len(s.missing), func(i int) bool { return s.missing[i].Addr+s.missing[i].Len > addr })
}

// cut takes what is missing of [start, end) out and gives it.
func (s *space) cut(start, end uint64) []image.Piece {
	i := s.find(start)
	j := i
	var out, stay []image.Piece
	for ; j < len(s.missing) && s.missing[j].Addr < end; j++ {
		p := s.missing[j]
		if p.Addr < start {
			stay = append(stay, p.First(start-p.Addr))
			p = p.After(start - p.Addr)
		}
		if p.Addr+p.Len > end {
			stay = append(stay, p.After(end-p.Addr))
			p = p.First(end - p.Addr)
		}
		out = append(out, p)
	}
	s.missing = slices.Replace(s.missing, i, j, stay...)
	return out
}

// move is mremap(2): what was missing at [start, end) is missing at to.
func (s *space) move(start, end, to uint64) {
	pieces := s.cut(start, end)
	s.cut(to, to+end-start)
	for i := range pieces {
		pieces[i].Addr += to - start
	}
	s.missing = slices.Insert(s.missing, s.find(to), pieces...)
	s.moved = append(s.moved, image.AddrRange{Start: image.Addr(start), End: image.Addr(end)})
}

// unmap is munmap(2).
func (s *space) unmap(start, end uint64) {
	gone := image.AddrRange{Start: image.Addr(start), End: image.Addr(end)}
	if i := slices.Index(s.moved, gone); i >= 0 {
		s.moved = slices.Delete(s.moved, i, i+1)
		return
	}
	s.cut(start, end)
}

// fork is the memory of a child that is made now.
func (s *space) fork(uffd int) *space {
	return &space{uffd: uffd, missing: slices.Clone(s.missing), moved: slices.Clone(s.moved)}
}

// errGone says that there is no such memory any more: the process has ended, or has
// executed another program.
var errGone = errors.New("the process is gone")

// errEvent says that the kernel has something to tell first.
var errEvent = errors.New("there is an event")

// give gives pages, and takes them out of what is missing. After errEvent it has done
// a part.
func (s *space) give(addr uint64, content []byte) error {
	for step := len(content); len(content) > 0; {
		n, err := sys.UserfaultfdCopy(s.uffd, addr, content[:min(step, len(content))])
		if n == 0 && errors.Is(err, syscall.EEXIST) {
			n, err = pageSize, sys.UserfaultfdWake(s.uffd, addr, addr+pageSize) // it is there
		}
		if n > 0 {
			s.cut(addr, addr+uint64(n))
			addr, content = addr+uint64(n), content[n:]
		}
		switch {
		case err == nil, errors.Is(err, syscall.EEXIST):
		case errors.Is(err, syscall.EAGAIN):
			return errEvent
		case errors.Is(err, syscall.ESRCH):
			return errGone
		case errors.Is(err, syscall.ENOENT) && step > pageSize:
			step = pageSize // it is several mappings by now
		default:
			return fmt.Errorf("give the program its memory at %#x: %w", addr, err)
		}
	}
	return nil
}

// zero gives a page of zeros to whoever waits for it.
func (s *space) zero(page uint64) error {
	err := sys.UserfaultfdZero(s.uffd, page, pageSize)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EAGAIN):
		return errEvent
	case errors.Is(err, syscall.ESRCH):
		return errGone
	case errors.Is(err, syscall.EEXIST), errors.Is(err, syscall.ENOENT):
		return sys.UserfaultfdWake(s.uffd, page, page+pageSize) // it is there, or nothing is
	}
	return fmt.Errorf("give the program its memory at %#x: %w", page, err)
}
