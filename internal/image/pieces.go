package image

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"sort"
)

// Piece says that the bytes [Addr, Addr+Len) of a space are at Pos in the file
// of an image.
type Piece struct {
	Addr, Pos, Len uint64
	In             *Image
}

// After is the piece without its first n bytes.
func (p Piece) After(n uint64) Piece { return Piece{p.Addr + n, p.Pos + n, p.Len - n, p.In} }

// First is the first n bytes of the piece.
func (p Piece) First(n uint64) Piece { return Piece{p.Addr, p.Pos, n, p.In} }

// SpaceReader is the saved memory of a process or an object.
type SpaceReader struct {
	im   *Image
	segs []Segment
	// process is its index in im; -1 for objects, of which nothing is a parent's.
	process int
}

// Space is the saved memory of the process with that index; 0 is the root.
func (im *Image) Space(process int) SpaceReader {
	return SpaceReader{im, im.placed.processes[process], process}
}

// ObjectSpace is the saved memory of the object with that index; its addresses
// begin at 0.
func (im *Image) ObjectSpace(object int) SpaceReader {
	return SpaceReader{im, im.placed.objects[object], -1}
}

// parent is the memory of the same process in the parent of the image.
func (s SpaceReader) parent() SpaceReader { return s.im.parent.Space(s.im.ancestors[s.process]) }

// Segments are the program headers for memory, by address.
func (s SpaceReader) Segments() []Segment { return s.segs }

// AppendPieces appends what is saved of [start, end) to pieces, in this image or
// its parents, in order and in pieces as long as possible. Processes whose pieces for an address are in the
// same image at the same Pos share that memory.
func (s SpaceReader) AppendPieces(pieces []Piece, start, end uint64) []Piece {
	for i := segmentFrom(s.segs, start); i < len(s.segs) && uint64(s.segs[i].Start) < end; i++ {
		seg := &s.segs[i]
		if from, to := max(start, uint64(seg.Start)), min(end, seg.fileEnd()); from < to {
			pieces = s.im.appendChunks(pieces, Piece{from, seg.Pos + from - uint64(seg.Start), to - from, s.im})
		}
		if seg.Kept {
			pieces = s.parent().AppendPieces(pieces, max(start, uint64(seg.Start)), min(end, uint64(seg.End)))
		}
	}
	return pieces
}

// appendChunks appends what chunks cover of a piece of a segment.
func (im *Image) appendChunks(pieces []Piece, of Piece) []Piece {
	chunks, end := im.chunks.memory, of.Pos+of.Len
	for i := chunkFrom(chunks, of.Pos); i < len(chunks) && chunks[i].Pos < end; i++ {
		from, to := max(of.Pos, chunks[i].Pos), min(end, chunks[i].end())
		p := Piece{Addr: of.Addr + from - of.Pos, Pos: from, Len: to - from, In: im}
		if n := len(pieces); n > 0 {
			last := &pieces[n-1]
			if last.Addr+last.Len == p.Addr && last.Pos+last.Len == p.Pos && last.In == p.In {
				last.Len += p.Len
				continue
			}
		}
		pieces = append(pieces, p)
	}
	return pieces
}

// Chunks are the chunks of memory, with their indexes in the table, that have
// bytes of a piece of this image.
func (im *Image) Chunks(of Piece) iter.Seq2[int, Chunk] {
	return func(yield func(int, Chunk) bool) {
		chunks := im.chunks.memory
		for i := chunkFrom(chunks, of.Pos); i < len(chunks) && chunks[i].Pos < of.Pos+of.Len; i++ {
			if !yield(i, chunks[i]) {
				return
			}
		}
	}
}

// Shares reports whether several spaces of the image have bytes of the piece.
func (im *Image) Shares(p Piece) bool {
	im.sharing.once.Do(im.findShared)
	all := im.sharing.all
	n := sort.Search(len(all), func(n int) bool { return all[n].end() > p.Pos })
	return n < len(all) && all[n].pos < p.Pos+p.Len
}

// findShared lists what several spaces have.
func (im *Image) findShared() {
	var all []fileRange
	for _, list := range [][][]Segment{im.placed.objects, im.placed.processes} {
		for _, segs := range list {
			for _, s := range segs {
				if s.Shared && s.FileLen > 0 {
					all = append(all, fileRange{s.Pos, s.FileLen})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b fileRange) int { return cmp.Compare(a.pos, b.pos) })
	for _, r := range all {
		n := len(im.sharing.all)
		if n == 0 || im.sharing.all[n-1].end() < r.pos {
			im.sharing.all = append(im.sharing.all, r)
			continue
		}
		last := &im.sharing.all[n-1]
		last.len = max(last.end(), r.end()) - last.pos
	}
}

// ReadMemory fills p with the memory that is saved for addr and up, and with
// zeros where nothing is. Checksums are not looked at.
func (s SpaceReader) ReadMemory(addr uint64, p []byte) error {
	clear(p)
	end := addr + uint64(len(p))
	if end < addr {
		return fmt.Errorf("read %d bytes at %#x: behind the end of all addresses", len(p), addr)
	}
	for _, x := range s.AppendPieces(nil, addr, end) {
		if _, err := x.In.content.ReadAt(p[x.Addr-addr:x.Addr-addr+x.Len], int64(x.Pos)); err != nil {
			return readError(fmt.Sprintf("memory at %#x", x.Addr), err)
		}
	}
	return nil
}
