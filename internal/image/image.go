package image

import (
	"fmt"
	"io"
	"os"

	"github.com/zeebo/xxh3"
)

// Image is an open checkpoint image. Its methods may be called by several
// goroutines, but for Close.
type Image struct {
	file     *os.File
	manifest *Manifest
	segs     []Segment
	chunks   chunkTable
	notes    fileRange
}

// Open opens the image at path and checks its headers and notes: they are
// whole and exactly as the writer made them. Memory and payload are not read,
// see Verify. Errors wrap ErrNotImage, ErrCorrupt, *VersionError, *ArchError or
// those of reading.
func Open(path string) (*Image, error) {
	// Opening a FIFO would wait for somebody to write to it.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, notImage("not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	im, err := FromFile(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return im, nil
}

// FromFile is Open for a file that is open already. The image owns f from then
// on, and moves its offset; after an error it is still the caller's.
func FromFile(f *os.File) (*Image, error) {
	im, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return im, nil
}

func read(f *os.File) (*Image, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notImage("not a regular file")
	}
	im := &Image{file: f}
	size := uint64(info.Size())
	headers, segs, at, err := readHeaders(f, size)
	if err != nil {
		return nil, err
	}
	notes, err := readNotes(f, at, headers)
	if err != nil {
		return nil, err
	}
	im.segs, im.notes = segs, at
	if im.manifest, im.chunks, err = decodeNotes(notes); err != nil {
		return nil, err
	}
	if err := checkSegments(segs, im.Process().Areas, at.pos); err != nil {
		return nil, err
	}
	if err := im.chunks.check(segs, im.payloadPos()); err != nil {
		return nil, err
	}
	if end := alignUp(im.chunks.end(im.payloadPos())); end != at.pos {
		return nil, corrupt("payload ends at %#x, notes begin at %#x", end, at.pos)
	}
	if err := checkNotes(notes, im.manifest, im.chunks); err != nil {
		return nil, err
	}
	return im, nil
}

// readNotes reads the notes segment, checks the seal and returns what is in
// front of it.
func readNotes(r io.ReaderAt, at fileRange, headers []byte) ([]byte, error) {
	if at.len < sealSize || at.len > maxNotes {
		return nil, corrupt("notes of %d bytes", at.len)
	}
	all := make([]byte, at.len)
	if _, err := r.ReadAt(all, int64(at.pos)); err != nil {
		return nil, readError("notes", err)
	}
	notes, seal := all[:at.len-sealSize], all[at.len-sealSize:]
	if string(seal) != string(sealNote(headers, notes)) {
		return nil, corrupt("the seal of headers and notes (xxh3 %#x and %#x) is broken", xxh3.Hash(headers), xxh3.Hash(notes))
	}
	return notes, nil
}

// Manifest is what the image says beside memory. It must not be changed.
func (im *Image) Manifest() *Manifest { return im.manifest }

// Process is the saved process.
func (im *Image) Process() *Process { return &im.manifest.Processes[0] }

// Segments are the image's PT_LOADs, by address.
func (im *Image) Segments() []Segment { return im.segs }

// Chunks are the pieces of saved memory, by address.
func (im *Image) Chunks() []Chunk { return im.chunks.memory }

// File is the open file, to be mapped or read; Close closes it.
func (im *Image) File() *os.File { return im.file }

// Stats says what is in the image; ZeroSkipped is not known any more.
func (im *Image) Stats() Stats {
	s := Stats{Size: int64(im.notes.end()), Chunks: im.chunks.len()}
	for _, c := range im.chunks.memory {
		s.Memory += int64(c.Len)
	}
	for _, c := range im.chunks.payload {
		s.Payload += int64(c.Len)
	}
	return s
}

// Close closes the file.
func (im *Image) Close() error { return im.file.Close() }

// payloadPos is where the payload area begins.
func (im *Image) payloadPos() uint64 { return memoryEnd(im.segs) }

// ReadMemory fills p with the memory that is saved for addr and up, and with
// zeros where nothing is. Checksums are not looked at.
func (im *Image) ReadMemory(addr uint64, p []byte) error {
	clear(p)
	end := addr + uint64(len(p))
	if end < addr {
		return fmt.Errorf("read %d bytes at %#x: behind the end of all addresses", len(p), addr)
	}
	all := im.chunks.memory
	for i := chunkFrom(all, addr); i < len(all) && all[i].Addr < end; i++ {
		c := all[i]
		from, to := max(addr, c.Addr), min(end, c.end())
		if _, err := im.file.ReadAt(p[from-addr:to-addr], int64(c.Pos+from-c.Addr)); err != nil {
			return readError(fmt.Sprintf("memory at %#x", from), err)
		}
	}
	return nil
}
