package image

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/zeebo/xxh3"

	"ckpt/internal/sys"
)

// zeroMin is the shortest stretch of zero pages that is left out of the middle
// of a piece, in bytes. Leaving out every single zero page makes twice as many
// chunks as there are such pages, each with an entry in the table, a write now
// and a read at restore; writing 16 KiB costs about as much as one of those.
const zeroMin = 16 << 10

// punchMin is the shortest hole that is worth punching into reserved space, in
// bytes: each takes 80 us on ext4, as long as writing some 400 KiB. Shorter
// ones read as zeros all the same, but keep the room that was reserved.
const punchMin = 256 << 10

var zeroPage [PageSize]byte

// SpaceWriter takes the memory of a process or an object.
type SpaceWriter struct {
	w     *Writer
	areas []Area
	runs  []Run // without those that have a place ahead
	segs  []Segment
	ahead bool // it takes memory before the layout
}

// reserve reserves disk space for the runs, stretch by stretch: runs that follow
// each other in memory or only in the file count as one.
func (s *SpaceWriter) reserve() error {
	var at fileRange
	for _, r := range s.runs {
		if !s.ahead {
			s.w.planned += r.Len
		}
		pos := s.pos(r.Start)
		if pos != at.end() {
			if err := s.w.reserve(at); err != nil {
				return err
			}
			at = fileRange{pos: pos}
		}
		at.len += r.Len
	}
	return s.w.reserve(at)
}

// pos is the file position of an address in a run.
func (s *SpaceWriter) pos(addr uint64) uint64 {
	seg := segmentAt(s.segs, addr)
	return seg.Pos + addr - uint64(seg.Start)
}

// WriteMemory writes memory: p is what is at addr, whole pages that lie inside
// one run. Every page of every run has to be given once, in any order and by
// any number of goroutines, here or to Adopt or SkipMemory. Zero pages take no
// room.
func (s *SpaceWriter) WriteMemory(addr uint64, p []byte) error {
	if err := s.checkInRun(addr, uint64(len(p))); err != nil {
		return err
	}
	err := s.add(addr, p, s.w.reserved, func(b []byte, pos int64) error {
		_, err := s.w.file.WriteAt(b, pos)
		return err
	})
	return s.w.fail(err)
}

// Place says where in Writer.File the memory at addr belongs, for who writes it
// there himself. It must be in a run.
func (s *SpaceWriter) Place(addr uint64) int64 { return int64(s.pos(addr)) }

// Adopt is WriteMemory for len(buf) bytes that stand at the Place of addr
// already: it reads them back, for their checksums.
func (s *SpaceWriter) Adopt(addr uint64, buf []byte) error {
	if err := s.checkInRun(addr, uint64(len(buf))); err != nil {
		return err
	}
	if _, err := s.w.file.ReadAt(buf, s.Place(addr)); err != nil {
		return fmt.Errorf("read image %s back: %w", s.w.path, err)
	}
	return s.add(addr, buf, true, func([]byte, int64) error { return nil })
}

// add makes chunks of the memory p at addr and lets store write each. hollow
// tells that zeros take disk space unless a hole is punched.
func (s *SpaceWriter) add(addr uint64, p []byte, hollow bool, store func(b []byte, pos int64) error) error {
	pieces := [][2]int{{0, len(p)}}
	if areaAt(s.areas, addr).zeroIsImplied() {
		pieces = dataPieces(p)
	}
	w, pos := s.w, s.pos(addr)
	var chunks []Chunk
	var holes []fileRange
	at := 0
	for _, piece := range pieces {
		holes = append(holes, fileRange{pos + uint64(at), uint64(piece[0] - at)})
		for at = piece[0]; at < piece[1]; {
			b := p[at:min(at+s.chunk(), piece[1])]
			c := Chunk{Pos: pos + uint64(at), Len: uint32(len(b)), Sum: xxh3.Hash(b)}
			if err := store(b, int64(c.Pos)); err != nil {
				return err
			}
			chunks = append(chunks, c)
			at += len(b)
		}
	}
	holes = append(holes, fileRange{pos + uint64(at), uint64(len(p) - at)})

	w.mu.Lock()
	defer w.mu.Unlock()
	if !s.ahead {
		w.written += uint64(len(p))
	}
	w.chunks.memory = append(w.chunks.memory, chunks...)
	for _, h := range holes {
		w.zero += h.len
		if hollow {
			w.addHole(h)
		}
	}
	return nil
}

// aheadChunk is how long chunks of what is copied ahead are at most, in bytes: of
// what changes in one, all has to be read back.
const aheadChunk = 32 << 10

func (s *SpaceWriter) chunk() int {
	if s.ahead {
		return aheadChunk
	}
	return MaxChunk
}

// SkipMemory says that n bytes of a run at addr turned out to have no content
// of their own, like pages of a mapping beyond the end of its file.
func (s *SpaceWriter) SkipMemory(addr, n uint64) error {
	if err := s.checkInRun(addr, n); err != nil {
		return err
	}
	w, pos := s.w, s.pos(addr)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written += n
	w.addHole(fileRange{pos, n})
	return nil
}

// checkInRun checks that n bytes at addr are whole pages of one run.
func (s *SpaceWriter) checkInRun(addr, n uint64) error {
	i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].end() > addr })
	if n == 0 || (addr|n)%PageSize != 0 ||
		i == len(s.runs) || addr < s.runs[i].Start || n > s.runs[i].end()-addr {
		return fmt.Errorf("write image %s: %#x+%#x is in no run", s.w.path, addr, n)
	}
	return nil
}

// dataPieces returns the parts [from, to) of p that are to be written: all but
// stretches of zero pages that are zeroMin long or all there is.
func dataPieces(p []byte) [][2]int {
	var pieces [][2]int
	from, zeros := 0, 0 // start of the current piece, bytes of zeros at its end
	for at := 0; at < len(p); at += PageSize {
		if bytes.Equal(p[at:at+PageSize], zeroPage[:]) {
			zeros += PageSize
			continue
		}
		if zeros >= zeroMin {
			if end := at - zeros; end > from {
				pieces = append(pieces, [2]int{from, end})
			}
			from = at
		}
		zeros = 0
	}
	end := len(p)
	if zeros >= zeroMin || zeros == len(p) {
		end -= zeros
	}
	if end > from {
		pieces = append(pieces, [2]int{from, end})
	}
	return pieces
}

// addHole notes space that was taken in vain. Holes of neighbouring pieces
// become one, if they come one after the other, as they mostly do.
func (w *Writer) addHole(h fileRange) {
	if h.len == 0 {
		return
	}
	if n := len(w.holes); n > 0 && w.holes[n-1].end() == h.pos {
		w.holes[n-1].len += h.len
		return
	}
	w.holes = append(w.holes, h)
}

// punchHoles gives back the disk space that zeros have taken. It is done
// when the saved process runs again. A file system that cannot is left with
// the space: the content is the same.
func (w *Writer) punchHoles() {
	slices.SortFunc(w.holes, func(a, b fileRange) int {
		if a.pos < b.pos {
			return -1
		}
		return 1
	})
	all := w.holes
	w.holes = nil
	for _, h := range all {
		w.addHole(h)
	}
	for _, h := range w.holes {
		if h.len < punchMin {
			continue
		}
		if err := sys.PunchHole(w.file, int64(h.pos), int64(h.len)); err != nil {
			return
		}
	}
}
