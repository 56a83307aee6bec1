package image

import (
	"context"
	"errors"
	"io"
	"os"
)

// This file only lets others build on the package until it is written.

var errUnwritten = errors.New("image: not written yet")

var (
	ErrNotImage = errors.New("not a checkpoint image")
	ErrCorrupt  = errors.New("image is damaged")
)

type VersionError struct{ Have, Want int }

func (e *VersionError) Error() string { return "version" }

type ArchError struct{ Have, Want string }

func (e *ArchError) Error() string { return "arch" }

// Run is a page-aligned range inside one area whose bytes the image will hold.
type Run struct{ Start, Len uint64 }

// Segment is a PT_LOAD.
type Segment struct {
	Start, End Addr
	Pos        uint64 // in the file
	FileLen    uint64 // bytes from Start on that are in the file
	Prot       Prot
}

// Chunk is a checksummed piece of saved memory.
type Chunk struct {
	Addr, Pos uint64
	Len       uint32
	Sum       uint64
}

type Stats struct {
	Size        int64 // of the file
	Memory      int64 // bytes of memory in it
	ZeroSkipped int64 // bytes of zero pages left out
	Payload     int64 // bytes
	Chunks      int
}

type CommitOptions struct{ Fsync bool }

type Writer struct{}

func Create(path string) (*Writer, error) { return nil, errUnwritten }

// Layout assigns file positions: runs sorted, each inside one area. Once, before WriteMemory and AddPayload.
func (w *Writer) Layout(areas []Area, runs []Run) error          { return errUnwritten }
func (w *Writer) WriteMemory(addr uint64, p []byte) error        { return errUnwritten }
func (w *Writer) Finish(m *Manifest) (Stats, error)              { return Stats{}, errUnwritten }
func (w *Writer) Publish(o CommitOptions) error                  { return errUnwritten }
func (w *Writer) Commit(*Manifest, CommitOptions) (Stats, error) { return Stats{}, errUnwritten }
func (w *Writer) Abort()                                         {}

// AddPayload copies the bytes of src in extents (offset, length; nil: all of [0, size)).
func (w *Writer) AddPayload(src io.ReaderAt, size int64, extents [][2]int64) (PayloadRef, error) {
	return PayloadRef{}, errUnwritten
}

type Image struct{}

func Open(path string) (*Image, error)                   { return nil, errUnwritten }
func FromFile(f *os.File) (*Image, error)                { return nil, errUnwritten }
func (im *Image) Manifest() *Manifest                    { return nil }
func (im *Image) Segments() []Segment                    { return nil }
func (im *Image) Chunks() []Chunk                        { return nil }
func (im *Image) File() *os.File                         { return nil }
func (im *Image) Close() error                           { return nil }
func (im *Image) ReadMemory(addr uint64, p []byte) error { return errUnwritten }

// Payload gives the content of ref: a Reader, ReaderAt and Seeker.
func (im *Image) Payload(ref PayloadRef) (*io.SectionReader, error) { return nil, errUnwritten }

func (im *Image) Verify(ctx context.Context, workers int, progress func(done, total int64)) error {
	return errUnwritten
}
