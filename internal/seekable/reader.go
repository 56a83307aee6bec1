package seekable

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"sort"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

// Reader reads the content. Its methods may be called by several goroutines.
//
// For its table it allocates no more than twice the length of the file, and for
// what it reads no more than cacheFrames frames, whatever the file says.
type Reader struct {
	f      io.ReaderAt
	dec    *zstd.Decoder
	ends   []int64 // of the frames, in the content
	places []int64 // where they end in the file
	sums   []byte  // 8 bytes each
	cache  cache
	packed sync.Pool // buffers for compressed frames
}

// Is reports whether the file begins like one of this format. Others that zstd
// has made do, too.
func Is(f io.ReaderAt) bool {
	var b [4]byte
	_, err := f.ReadAt(b[:], 0)
	return err == nil && binary.LittleEndian.Uint32(b[:]) == frameMagic
}

// NewReader reads the tables of a file of size bytes. Frames are not looked at
// until they are read. Errors wrap ErrFormat, ErrCorrupt or those of reading.
func NewReader(f io.ReaderAt, size int64) (*Reader, error) {
	n, table, err := readTable(f, size)
	if err != nil {
		return nil, err
	}
	index, err := readIndex(f, size, n, table)
	if err != nil {
		return nil, err
	}
	r := &Reader{f: f, sums: index[skipHeader+len(indexMark):], ends: make([]int64, n), places: make([]int64, n)}
	var end, place int64
	for i := range n {
		e := table[skipHeader+tableEntry*i:]
		size, raw := int64(binary.LittleEndian.Uint32(e)), int64(binary.LittleEndian.Uint32(e[4:]))
		switch {
		case raw <= 0 || size <= 0 || size > storedSize(raw),
			raw > FrameSize && (raw > maxZeroFrame || size != zeroSize(raw)):
			return nil, corrupt("frame %d of %d bytes for %d bytes of content", i, size, raw)
		}
		end, place = end+raw, place+size
		r.ends[i], r.places[i] = end, place
	}
	if place != size-indexSize(n)-tableSize(n+1) {
		return nil, corrupt("frames end at %d, the index begins at %d", place, size-indexSize(n)-tableSize(n+1))
	}
	workers := max(2, min(4, runtime.GOMAXPROCS(0)))
	r.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(workers), zstd.WithDecoderMaxMemory(FrameSize),
		zstd.WithDecoderMaxWindow(FrameSize), zstd.WithDecodeAllCapLimit(true))
	return r, err
}

// readTable reads the seek table of a file, and tells how many frames there are
// in front of the index.
func readTable(f io.ReaderAt, size int64) (n int, table []byte, err error) {
	var footer [footerSize]byte
	if size < footerSize {
		return 0, nil, ErrFormat
	}
	if _, err := f.ReadAt(footer[:], size-footerSize); err != nil {
		return 0, nil, readError("seek table", err)
	}
	if binary.LittleEndian.Uint32(footer[5:]) != footerMagic {
		return 0, nil, ErrFormat
	}
	all := int64(binary.LittleEndian.Uint32(footer[:]))
	if all < 1 || all > maxFrames+1 || tableSize(int(all)) > size {
		return 0, nil, corrupt("%d frames in a file of %d bytes", all, size)
	}
	table = make([]byte, tableSize(int(all)))
	if _, err := f.ReadAt(table, size-int64(len(table))); err != nil {
		return 0, nil, readError("seek table", err)
	}
	if want := skippable(tableMagic, int64(len(table))); !bytes.Equal(table[:skipHeader], want) || footer[4] != 0 {
		return 0, nil, corrupt("the seek table has no proper beginning or end")
	}
	return int(all) - 1, table, nil
}

// readIndex reads the index of a file with so many frames.
func readIndex(f io.ReaderAt, size int64, n int, table []byte) ([]byte, error) {
	last := table[skipHeader+tableEntry*n:]
	length := indexSize(n)
	if length > size-int64(len(table)) {
		return nil, corrupt("%d frames in a file of %d bytes", n, size)
	}
	if int64(binary.LittleEndian.Uint32(last)) != length || binary.LittleEndian.Uint32(last[4:]) != 0 {
		return nil, ErrFormat // somebody else's
	}
	index := make([]byte, length)
	if _, err := f.ReadAt(index, size-int64(len(table))-length); err != nil {
		return nil, readError("index", err)
	}
	if want := append(skippable(indexMagic, length), indexMark...); !bytes.Equal(index[:len(want)], want) {
		return nil, ErrFormat
	}
	at := length - sealSize
	if sum := seal(index[:at], table); binary.LittleEndian.Uint64(index[at:]) != sum {
		return nil, corrupt("the checksum of index and seek table is %#x instead of %#x", sum, binary.LittleEndian.Uint64(index[at:]))
	}
	return index[:at], nil
}

// readError names what could not be read. A file that ends too early is damaged.
func readError(what string, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return corrupt("%s: the file ends too early", what)
	}
	return fmt.Errorf("read %s: %w", what, err)
}

// Size is the length of the content, in bytes.
func (r *Reader) Size() int64 {
	if len(r.ends) == 0 {
		return 0
	}
	return r.ends[len(r.ends)-1]
}

// FrameEnd is where the frame ends, in the content, that off is in. off must be
// below Size.
func (r *Reader) FrameEnd(off int64) int64 { return r.ends[r.find(off)] }

func (r *Reader) find(off int64) int {
	return sort.Search(len(r.ends), func(i int) bool { return r.ends[i] > off })
}

func (r *Reader) start(i int) int64 {
	if i == 0 {
		return 0
	}
	return r.ends[i-1]
}

func (r *Reader) place(i int) int64 {
	if i == 0 {
		return 0
	}
	return r.places[i-1]
}

// ReadAt reads from the content. Frames that were read lately are kept.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > math.MaxInt64-int64(len(p)) {
		return 0, fmt.Errorf("read %d bytes at %d", len(p), off)
	}
	for i := r.find(off); n < len(p); i++ {
		if i == len(r.ends) {
			return n, io.EOF
		}
		start, end := r.start(i), r.ends[i]
		at := off + int64(n)
		b := p[n:min(int64(len(p)), int64(n)+end-at)]
		switch {
		case end-start > FrameSize:
			if err = r.readZero(i); err == nil {
				clear(b)
			}
		case at == start && int64(len(b)) == end-start:
			err = r.read(i, b)
		default:
			var frame []byte
			frame, err = r.cache.get(i, int(end-start), r.read)
			if err == nil {
				copy(b, frame[at-start:])
			}
		}
		if err != nil {
			return n, err
		}
		n += len(b)
	}
	return n, nil
}

// read decompresses a frame into p, which has its length.
func (r *Reader) read(i int, p []byte) error {
	b, err := r.load(i)
	if err != nil {
		return err
	}
	defer r.packed.Put(b)
	if n := int64(len(p)); int64(len(*b)) == zeroSize(n) && bytes.Equal(*b, appendZero(nil, n)) {
		clear(p)
		return nil
	}
	out, err := r.dec.DecodeAll(*b, p[:0:len(p)])
	switch {
	case err != nil:
		return corrupt("frame at file offset %#x: %v", r.place(i), err)
	case len(out) != len(p):
		return corrupt("frame at file offset %#x: %d bytes of content instead of %d", r.place(i), len(out), len(p))
	}
	return nil
}

// readZero checks a frame that is too long to be anything but zeros.
func (r *Reader) readZero(i int) error {
	b, err := r.load(i)
	if err != nil {
		return err
	}
	defer r.packed.Put(b)
	if !bytes.Equal(*b, appendZero(nil, r.ends[i]-r.start(i))) {
		return corrupt("frame at file offset %#x: not of zeros", r.place(i))
	}
	return nil
}

// load reads a frame from the file and checks its checksum.
func (r *Reader) load(i int) (*[]byte, error) {
	b, _ := r.packed.Get().(*[]byte)
	if b == nil {
		b = new([]byte)
	}
	n := r.places[i] - r.place(i)
	if int64(cap(*b)) < n {
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	if _, err := r.f.ReadAt(*b, r.place(i)); err != nil {
		return nil, readError(fmt.Sprintf("frame at file offset %#x", r.place(i)), err)
	}
	if sum := xxh3.Hash(*b); sum != binary.LittleEndian.Uint64(r.sums[indexEntry*i:]) {
		return nil, corrupt("frame at file offset %#x: checksum is %#x instead of %#x", r.place(i), sum, binary.LittleEndian.Uint64(r.sums[indexEntry*i:]))
	}
	return b, nil
}
