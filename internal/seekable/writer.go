package seekable

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

// Frame is a part of the content, as it is to be compressed.
type Frame struct {
	Off, Len int64
	Zero     bool // it is known to be zero, and is not read
	Stored   bool // it is not compressed
}

// Writer compresses into a file. The order of calls is NewWriter, Add any number
// of times, Front, Finish. It is not for several goroutines: it has its own.
type Writer struct {
	f       io.WriterAt
	enc     *zstd.Encoder
	workers int

	entries []entry
	front   int   // how many of them are in front, and are written by Front
	end     int64 // of the content so far
	pos     int64 // of the file so far
}

// entry is a frame that is in the file.
type entry struct {
	raw, size int64
	sum       uint64 // xxh3-64 of the frame in the file
}

// NewWriter begins a file whose content starts with front bytes that Front gives
// at the end. level is a level of zstd (from 1, which is the fastest, to 22), and
// workers how many goroutines compress.
func NewWriter(f io.WriterAt, front int64, level, workers int) (*Writer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithEncoderConcurrency(workers),
		zstd.WithWindowSize(FrameSize), zstd.WithEncoderCRC(false)) // the index has checksums
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	w := &Writer{f: f, enc: enc, workers: workers}
	for front > 0 {
		n := min(front, FrameSize)
		w.entries = append(w.entries, entry{raw: n, size: storedSize(n)})
		w.end, w.pos = w.end+n, w.pos+storedSize(n)
		front -= n
	}
	w.front = len(w.entries)
	return w, nil
}

// End is how much of the content there is, and Size how long the file is so far.
func (w *Writer) End() int64 { return w.end }

// Size is the length of the file so far, in bytes.
func (w *Writer) Size() int64 { return w.pos }

// Cut cuts the content from off to end into frames: one where data (in order,
// without overlaps) covers anything, and as few as possible where it does not.
func Cut(frames []Frame, off, end int64, data func(yield func(off, n int64) bool)) []Frame {
	zeros := func(until int64) {
		for ; off < until; off += frames[len(frames)-1].Len {
			frames = append(frames, Frame{Off: off, Len: min(until-off, maxZeroFrame), Zero: true})
		}
	}
	for at, n := range data {
		if at-off >= FrameSize {
			zeros(min(at, end))
		}
		for ; off < min(at+n, end); off += frames[len(frames)-1].Len {
			frames = append(frames, Frame{Off: off, Len: min(end-off, FrameSize)})
		}
	}
	zeros(end)
	return frames
}

// Front writes the content in front.
func (w *Writer) Front(p []byte) error {
	var b []byte
	pos := int64(0)
	for i := range w.entries[:w.front] {
		e := &w.entries[i]
		if int64(len(p)) < e.raw {
			return fmt.Errorf("content in front ends too early by %d bytes", e.raw-int64(len(p)))
		}
		b = appendStored(b[:0], p[:e.raw])
		if _, err := w.f.WriteAt(b, pos); err != nil {
			return err
		}
		e.sum = xxh3.Hash(b)
		p, pos = p[e.raw:], pos+e.size
	}
	if len(p) > 0 {
		return fmt.Errorf("content in front is too long by %d bytes", len(p))
	}
	return nil
}

// Finish writes what is behind the frames. It returns the length of the file.
func (w *Writer) Finish() (int64, error) {
	n := len(w.entries)
	index := skippable(indexMagic, indexSize(n))
	index = append(index, indexMark...)
	for _, e := range w.entries {
		index = binary.LittleEndian.AppendUint64(index, e.sum)
	}
	table := skippable(tableMagic, tableSize(n+1))
	for _, e := range append(w.entries, entry{size: indexSize(n)}) {
		table = binary.LittleEndian.AppendUint32(table, uint32(e.size))
		table = binary.LittleEndian.AppendUint32(table, uint32(e.raw))
	}
	table = binary.LittleEndian.AppendUint32(table, uint32(n+1))
	table = binary.LittleEndian.AppendUint32(append(table, 0), footerMagic)
	all := append(binary.LittleEndian.AppendUint64(index, seal(index, table)), table...)
	if _, err := w.f.WriteAt(all, w.pos); err != nil {
		return 0, err
	}
	return w.pos + int64(len(all)), nil
}

// skippable begins a skippable frame that will have so many bytes.
func skippable(magic uint32, size int64) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, size), magic)
	return binary.LittleEndian.AppendUint32(b, uint32(size-skipHeader))
}

// seal is the checksum of the index, up to where it stands, and the seek table.
func seal(index, table []byte) uint64 {
	h := xxh3.New()
	_, _ = h.Write(index) // never fails
	_, _ = h.Write(table)
	return h.Sum64()
}

var zeros [FrameSize]byte

// compress makes the frame whose content is p, or as many zeros if p is nil.
func (w *Writer) compress(b []byte, f Frame, p []byte) []byte {
	switch {
	case f.Zero || bytes.Equal(p, zeros[:len(p)]):
		return appendZero(b, f.Len)
	case f.Stored:
		return appendStored(b, p)
	}
	b = slices.Grow(b, len(p))
	from := len(b)
	if b = w.enc.EncodeAll(p, b); int64(len(b)-from) > storedSize(f.Len) {
		b = appendStored(b[:from], p)
	}
	return b
}
