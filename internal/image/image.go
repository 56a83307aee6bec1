package image

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/zeebo/xxh3"
)

// Image is an open checkpoint image. Its methods may be called by several
// goroutines, but for Close.
type Image struct {
	file    *os.File
	content contents
	// sharing is what several spaces have, in order; see Shares.
	sharing struct {
		once sync.Once
		all  []fileRange
	}
	manifest *Manifest
	placed   *placed
	owners   []owner
	chunks   chunkTable
	parts    []part
	headers  uint64 // length of the root's
	notes    fileRange
	seal     string

	// parent is nil if the image is complete in itself, and ancestors are the
	// indexes of its processes in the parent, -1 for none.
	parent    *Image
	ancestors []int
}

// Open opens the image at path, and its parents, and checks their headers and
// notes: they are whole and exactly as the writer made them. Memory and payload
// are not read, see Verify. Errors wrap ErrNotImage, ErrCorrupt, *VersionError,
// *ArchError, *LinkError or those of reading.
func Open(path string) (*Image, error) {
	const tries = 3
	for n := 1; ; n++ {
		im, err := openAlone(path)
		if err != nil {
			return nil, err
		}
		if err = im.openParents(); err == nil {
			return im, nil
		}
		// A writer may just have replaced the image and removed its parents.
		there, gone := os.Stat(path)
		replaced := gone == nil && !im.SameFile(there)
		im.Close()
		if n == tries || !replaced {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
}

// openAlone is Open without the parents.
func openAlone(path string) (*Image, error) {
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
	im, err := read(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
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
	go WarmUp() // what is read is encoded again, see checkNotes
	im := &Image{file: f}
	if im.content, err = contentOf(f, uint64(info.Size())); err != nil {
		return nil, err
	}
	size := im.content.size
	headers, segs, at, err := readHeaders(im.content, min(size, im.content.budget))
	if err != nil {
		return nil, err
	}
	im.headers, im.notes = uint64(len(headers)), at
	if at.pos > size || at.len != size-at.pos || at.pos < alignUp(im.headers) {
		return nil, corrupt("notes at %#x+%#x do not end with the file of %d bytes", at.pos, at.len, size)
	}
	if err := im.content.spend(im.headers + at.len); err != nil {
		return nil, err
	}
	notes, sum, err := readNotes(im.content, at, headers)
	if err != nil {
		return nil, err
	}
	if im.manifest, im.chunks, im.parts, err = decodeNotes(notes); err != nil {
		return nil, err
	}
	if im.manifest.Version != int(headers[versionAt]) {
		return nil, corrupt("headers are of version %d, the manifest of %d", headers[versionAt], im.manifest.Version)
	}
	im.seal = hex.EncodeToString(sum)
	if err := im.readParts(segs, at.pos); err != nil {
		return nil, err
	}
	if err := im.placed.check(im.manifest, at.pos); err != nil {
		return nil, err
	}
	im.owners = im.placed.owners()
	if err := im.chunks.check(im.owners, im.placed.end); err != nil {
		return nil, err
	}
	if err := checkParts(im.parts, im.chunks.end(im.placed.end), at); err != nil {
		return nil, err
	}
	return im, checkNotes(notes, func(f func(note) error) error { return eachNote(im.manifest, im.chunks, im.parts, f) })
}

// readParts reads what is not at the beginning and the end of the file: the
// headers and notes of objects and of all processes but the root. They end
// before limit.
func (im *Image) readParts(root []Segment, limit uint64) error {
	m := im.manifest
	im.placed = &placed{processes: [][]Segment{root}}
	end := uint64(0)
	for i, p := range im.parts {
		// Not one range many times, and nothing that is longer than the file.
		if p.pos < end || p.pos > limit || p.len > limit-p.pos {
			return corrupt("%s: headers and notes at %#x+%#x", m.partName(i), p.pos, p.len)
		}
		end = p.end()
		if err := im.content.spend(p.len); err != nil {
			return err
		}
		segs, notes, err := readPart(im.content, p, m.Version)
		if err != nil {
			return fmt.Errorf("%s: %w", m.partName(i), err)
		}
		if i < len(m.Objects) {
			im.placed.objects = append(im.placed.objects, segs)
			err = checkNotes(notes, func(func(note) error) error { return nil })
		} else {
			im.placed.processes = append(im.placed.processes, segs)
			err = readPartNotes(m, &m.Processes[i-len(m.Objects)+1], notes)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.partName(i), err)
		}
	}
	return nil
}

// readPartNotes reads the notes of a process that is not the root.
func readPartNotes(m *Manifest, p *Process, notes []byte) error {
	found, err := findNotes(notes)
	if err != nil {
		return err
	}
	if err := found.registers(p); err != nil {
		return err
	}
	return checkNotes(notes, func(f func(note) error) error { return eachPartNote(m, p, f) })
}

// readNotes reads the notes segment, checks the seal and returns what is in
// front of it, and what the seal says.
func readNotes(r io.ReaderAt, at fileRange, headers []byte) (notes, sum []byte, err error) {
	if at.len < sealSize || at.len > maxNotes {
		return nil, nil, corrupt("notes of %d bytes", at.len)
	}
	all := make([]byte, at.len)
	if _, err := r.ReadAt(all, int64(at.pos)); err != nil {
		return nil, nil, readError("notes", err)
	}
	notes = all[:at.len-sealSize]
	sum = seal(headers, notes)
	if !bytes.Equal(all[at.len-sealSize:], sealNote(sum)) {
		return nil, nil, corrupt("the seal of headers and notes (xxh3 %#x and %#x) is broken", xxh3.Hash(headers), xxh3.Hash(notes))
	}
	return notes, sum, nil
}

// Manifest is what the image says beside memory. It must not be changed.
func (im *Image) Manifest() *Manifest { return im.manifest }

// Process is a process of the image by its index; 0 is the root.
func (im *Image) Process(i int) *Process { return &im.manifest.Processes[i] }

// File is the open file, in which a Piece is at its Pos, to be mapped or read;
// nil if the image is compressed. Close closes it.
func (im *Image) File() *os.File {
	if im.Compressed() {
		return nil
	}
	return im.file
}

// Stored is the open file, compressed or not. Close closes it.
func (im *Image) Stored() *os.File { return im.file }

// SameFile reports whether the image is in the file of that description.
func (im *Image) SameFile(there os.FileInfo) bool {
	info, err := im.file.Stat()
	return err == nil && os.SameFile(info, there)
}

// Stats says what is in the image; ZeroSkipped is not known any more.
func (im *Image) Stats() Stats {
	s := im.chunks.stats()
	s.Size, s.Raw = int64(im.content.inFile), int64(im.notes.end())
	return s
}

// Close closes the files of the image and of its parents.
func (im *Image) Close() error {
	err := im.file.Close()
	if im.parent != nil {
		err = errors.Join(err, im.parent.Close())
	}
	return err
}
