package image

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sort"

	"github.com/zeebo/xxh3"
)

// payloadAlign is where extents shorter than a page begin; longer ones begin
// at a page, so that they can be mapped.
const payloadAlign = 8

// AddPayload stores bulk content that is not memory, after Layout: the bytes of
// src in extents (offset and length, in order), or in [0, size) if extents is
// nil. The rest of [0, size) is zero. It may be called by several goroutines.
func (w *Writer) AddPayload(src io.ReaderAt, size int64, extents [][2]int64) (PayloadRef, error) {
	if extents == nil && size > 0 {
		extents = [][2]int64{{0, size}}
	}
	ref := PayloadRef{Size: size}
	low := int64(0)
	for _, e := range extents {
		if e[0] < low || e[1] <= 0 || e[0] > size || e[1] > size-e[0] {
			return PayloadRef{}, fmt.Errorf("payload of %d bytes: bad extent %d+%d", size, e[0], e[1])
		}
		low = e[0] + e[1]
	}
	for _, e := range extents {
		x, err := w.addExtent(src, e[0], e[1])
		if err != nil {
			return PayloadRef{}, err
		}
		ref.Extents = append(ref.Extents, x)
	}
	return ref, nil
}

func (w *Writer) addExtent(src io.ReaderAt, off, size int64) (PayloadExtent, error) {
	pos, err := w.takePayload(uint64(size))
	if err != nil {
		return PayloadExtent{}, err
	}
	if err := w.reserve(fileRange{pos, uint64(size)}); err != nil {
		return PayloadExtent{}, err
	}
	buf := make([]byte, min(size, MaxChunk))
	var chunks []Chunk
	for done := int64(0); done < size; {
		b := buf[:min(size-done, MaxChunk)]
		if n, err := src.ReadAt(b, off+done); n < len(b) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return PayloadExtent{}, fmt.Errorf("payload: read %d bytes at %d: %w", len(b), off+done, err)
		}
		at := pos + uint64(done)
		if _, err := w.file.WriteAt(b, int64(at)); err != nil {
			return PayloadExtent{}, w.fail(err)
		}
		chunks = append(chunks, Chunk{Pos: at, Len: uint32(len(b)), Sum: xxh3.Hash(b)})
		done += int64(len(b))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chunks.payload = append(w.chunks.payload, chunks...)
	return PayloadExtent{Off: off, Len: size, Pos: int64(pos)}, nil
}

// takePayload takes the next place of size bytes in the payload area.
func (w *Writer) takePayload(size uint64) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.payloadEnd == 0 {
		return 0, errors.New("payload comes after the layout of the image")
	}
	pos := (w.payloadEnd + payloadAlign - 1) &^ (payloadAlign - 1)
	if size >= PageSize {
		pos = alignUp(pos)
	}
	if size > math.MaxInt64-pos {
		return 0, errors.New("payload is too long")
	}
	w.payloadEnd = pos + size
	return pos, nil
}

// Payload returns the content of ref, to be read from its start or anywhere;
// what no extent covers reads as zeros. An extent that is not in the image's
// payload area is an ErrCorrupt.
func (im *Image) Payload(ref PayloadRef) (*io.SectionReader, error) {
	low := int64(0)
	for _, e := range ref.Extents {
		if e.Off < low || e.Len <= 0 || e.Off > ref.Size || e.Len > ref.Size-e.Off || !im.hasPayload(e) {
			return nil, corrupt("payload extent %d+%d at file offset %#x of a payload of %d bytes", e.Off, e.Len, e.Pos, ref.Size)
		}
		low = e.Off + e.Len
	}
	if ref.Size < 0 {
		return nil, corrupt("payload of %d bytes", ref.Size)
	}
	return io.NewSectionReader(&payloadReader{im: im, extents: ref.Extents}, 0, ref.Size), nil
}

// hasPayload tells whether chunks without a gap cover the extent.
func (im *Image) hasPayload(e PayloadExtent) bool {
	if e.Pos < 0 || uint64(e.Pos) < im.placed.end || e.Len > math.MaxInt64-e.Pos {
		return false
	}
	at, end := uint64(e.Pos), uint64(e.Pos)+uint64(e.Len)
	for _, c := range im.chunks.payload[chunkFrom(im.chunks.payload, at):] {
		if c.Pos > at || at >= end {
			break
		}
		at = c.end()
	}
	return at >= end
}

// payloadReader reads the logical bytes of a payload.
type payloadReader struct {
	im      *Image
	extents []PayloadExtent
}

// ReadAt fills p; where nothing is stored there are zeros, without an end.
func (r *payloadReader) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	end := off + int64(len(p))
	i := sort.Search(len(r.extents), func(i int) bool { return r.extents[i].Off+r.extents[i].Len > off })
	for ; i < len(r.extents) && r.extents[i].Off < end; i++ {
		e := r.extents[i]
		from, to := max(off, e.Off), min(end, e.Off+e.Len)
		if _, err := r.im.content.ReadAt(p[from-off:to-off], e.Pos+from-e.Off); err != nil {
			return 0, readError("payload", err)
		}
	}
	return len(p), nil
}
