package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"ckpt/internal/sys"
)

// Writer makes an image. The order of calls is Create, Layout, then any number
// of WriteMemory and AddPayload, from any goroutines, then Finish and Publish
// (or Commit, which is both). Abort after any of them cleans up.
type Writer struct {
	path string
	temp *tempFile

	areas    []Area
	runs     []Run
	segs     []Segment
	planned  uint64 // bytes of runs
	reserved bool   // disk space is

	mu         sync.Mutex // guards what follows
	written    uint64     // bytes of runs that WriteMemory was given
	zero       uint64     // of those, in pages that were left out
	chunks     chunkTable
	payloadEnd uint64 // next free position in the file
	holes      []fileRange
	finished   bool
}

// Stats says what is in an image, in bytes.
type Stats struct {
	Size        int64 // of the file
	Memory      int64 // in chunks
	ZeroSkipped int64 // in pages of zeros that were left out
	Payload     int64 // bytes that are not memory
	Chunks      int   // number of chunks of memory and payload
}

// CommitOptions are the options of Commit and Publish.
type CommitOptions struct {
	Fsync bool // the image survives a power cut right after
}

// turnLimit is how long Create waits for another writer of the same path.
const turnLimit = 30 * time.Second

// Create begins an image that is to be at path. It makes a temporary file in
// the same directory, 0600, and removes those of writers that died. A path
// that is a symbolic link or no regular file is an error.
//
// Writers of the same path take turns: Create waits until an earlier one has
// published or given up, for 30 s at most (ErrBusy), or until ctx ends. So an
// image of what was frozen after Create never gives way to an older one.
func Create(ctx context.Context, path string) (*Writer, error) {
	t, err := createTemp(ctx, path, turnLimit)
	if err != nil {
		return nil, err
	}
	return &Writer{path: path, temp: t}, nil
}

// reserveMin is the shortest stretch of the file whose disk space is reserved
// ahead of writing, in bytes. Reserving makes writes of long stretches a
// quarter faster, but costs as much as a short write itself.
const reserveMin = 64 << 10

// Layout says which memory the image will hold: the areas as the manifest will
// list them, and in them the runs, in order, each inside one area. It gives
// everything its position and reserves the disk space. A disk that is too full
// is a syscall.ENOSPC that says how much is needed.
//
// Pages of anonymous areas outside of runs are zero in the image, those of
// file-backed areas are the file's.
func (w *Writer) Layout(areas []Area, runs []Run) error {
	if w.segs != nil || w.payloadEnd != 0 {
		return errors.New("image is laid out already")
	}
	if err := checkAreas(areas, maxFiles); err != nil {
		return err
	}
	segs, err := planSegments(areas, runs)
	if err != nil {
		return err
	}
	// Copies: callers complete their areas while memory is written.
	w.areas, w.runs, w.segs = slices.Clone(areas), slices.Clone(runs), segs
	w.payloadEnd = memoryEnd(segs)
	for _, r := range runs {
		w.planned += r.Len
	}
	return w.reserveRuns()
}

// maxFiles stands in for the number of files, which Layout does not know.
const maxFiles = 1 << 31

// reserveRuns reserves disk space for the runs, stretch by stretch: runs that
// follow each other in memory or only in the file count as one.
func (w *Writer) reserveRuns() error {
	var at fileRange
	for _, r := range w.runs {
		pos := w.pos(r.Start)
		if pos != at.end() {
			if err := w.reserve(at); err != nil {
				return err
			}
			at = fileRange{pos: pos}
		}
		at.len += r.Len
	}
	return w.reserve(at)
}

func (w *Writer) reserve(at fileRange) error {
	if at.len < reserveMin {
		return nil
	}
	done, err := sys.Preallocate(w.temp.file, int64(at.pos), int64(at.len))
	w.reserved = w.reserved || done
	return w.fail(err)
}

// pos is the file position of an address in a run.
func (w *Writer) pos(addr uint64) uint64 {
	s := segmentAt(w.segs, addr)
	return s.Pos + addr - uint64(s.Start)
}

// fail gives an error of writing the image's name and, when the disk is full,
// the space that was needed.
func (w *Writer) fail(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("write image %s: it needs %d bytes: %w", w.path, w.planned, err)
	}
	return fmt.Errorf("write image %s: %w", w.path, err)
}

// Finish writes all the rest: notes, headers, seal. m must list the very areas
// that Layout was given; it is not changed. From here on the saved process is
// no longer needed.
func (w *Writer) Finish(m *Manifest) (Stats, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.finished || w.payloadEnd == 0 {
		return Stats{}, errors.New("image has no layout or is finished already")
	}
	if w.written != w.planned {
		return Stats{}, fmt.Errorf("write image %s: %d of %d bytes of memory were given", w.path, w.written, w.planned)
	}
	m, err := w.complete(m)
	if err != nil {
		return Stats{}, fmt.Errorf("write image %s: %w", w.path, err)
	}
	w.chunks.sort()
	if err := w.chunks.check(w.segs, memoryEnd(w.segs)); err != nil {
		return Stats{}, fmt.Errorf("write image %s: memory was given twice: %w", w.path, err)
	}
	notes, err := encodeNotes(m, w.chunks)
	if err != nil {
		return Stats{}, fmt.Errorf("write image %s: %w", w.path, err)
	}
	at := fileRange{pos: alignUp(w.payloadEnd), len: uint64(len(notes)) + sealSize}
	headers := encodeHeaders(w.segs, at)
	notes = append(notes, sealNote(headers, notes)...)
	f := w.temp.file
	// The length first: space that was reserved for zeros at the end goes.
	if err := f.Truncate(int64(at.end())); err != nil {
		return Stats{}, w.fail(err)
	}
	if _, err := f.WriteAt(notes, int64(at.pos)); err != nil {
		return Stats{}, w.fail(err)
	}
	if _, err := f.WriteAt(headers, 0); err != nil {
		return Stats{}, w.fail(err)
	}
	w.finished = true
	return w.stats(at.end()), nil
}

// complete checks the manifest and adds what the Writer knows better.
func (w *Writer) complete(m *Manifest) (*Manifest, error) {
	out := *m
	if out.Host.CPU.XSaveLayout == nil {
		out.Host.CPU.XSaveLayout = hostXSaveLayout()
	}
	if err := out.check(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := out.checkStates(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return &out, w.checkLaidOut(out.Processes[0].Areas)
}

// checkLaidOut checks that areas are those of Layout, as far as it went by them.
func (w *Writer) checkLaidOut(areas []Area) error {
	same := func(a, b Area) bool {
		return a.Start == b.Start && a.End == b.End && a.Prot == b.Prot && a.Kind == b.Kind && a.Whole == b.Whole
	}
	if !slices.EqualFunc(areas, w.areas, same) {
		return errors.New("manifest: areas are not those of the layout")
	}
	return nil
}

func (w *Writer) stats(size uint64) Stats {
	s := Stats{Size: int64(size), ZeroSkipped: int64(w.zero), Chunks: w.chunks.len()}
	for _, c := range w.chunks.memory {
		s.Memory += int64(c.Len)
	}
	for _, c := range w.chunks.payload {
		s.Payload += int64(c.Len)
	}
	return s
}

// Publish gives the image its name, after Finish. An image that was there
// before is replaced at once: others see the one or the other.
func (w *Writer) Publish(o CommitOptions) error {
	if !w.finished || w.temp.file == nil {
		return errors.New("image is not finished")
	}
	defer w.temp.remove()
	w.punchHoles()
	return w.fail(w.temp.publish(o.Fsync))
}

// Commit is Finish and Publish.
func (w *Writer) Commit(m *Manifest, o CommitOptions) (Stats, error) {
	s, err := w.Finish(m)
	if err == nil {
		err = w.Publish(o)
	}
	if err != nil {
		w.Abort()
	}
	return s, err
}

// Abort gives up: it removes the temporary file. After Publish it does
// nothing, so that it can be deferred.
func (w *Writer) Abort() { w.temp.remove() }
