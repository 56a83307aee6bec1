package image

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"ckpt/internal/sys"
)

// Writer makes an image. The order of calls is Create, Layout, then any number
// of AddPayload and of WriteMemory of its SpaceWriters, from any goroutines,
// then Finish and Publish (or Commit, which is both). Abort after any of them
// cleans up.
type Writer struct {
	path string
	temp *tempFile
	// file is what everything is written to at its position: the temporary file,
	// or a scratch file if the image is to be compressed.
	file *os.File
	pack *packer // nil if it is not

	placed             *placed
	objects, processes []*SpaceWriter
	laidOut            []Object
	planned            uint64 // bytes of runs
	reserved           bool   // disk space is
	ahead              Stretch
	aheads             []*SpaceWriter
	stale              []fileRange // what was copied ahead in vain

	mu         sync.Mutex // guards what follows
	written    uint64     // bytes of runs that WriteMemory was given
	zero       uint64     // of those, in pages that were left out
	chunks     chunkTable
	payloadEnd uint64 // next free position in the file
	holes      []fileRange
	rewritten  []fileRange // since it was copied ahead
	finished   bool
	whole      bool // it has no parent
	seal       string
}

// Stats says what is in an image, in bytes.
type Stats struct {
	Size        int64 // of the file
	Raw         int64 // of the file if it is not compressed, or once it is no more
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
	go WarmUp() // it need not wait until there is a manifest
	t, err := createTemp(ctx, path, turnLimit)
	if err != nil {
		return nil, err
	}
	return &Writer{path: path, temp: t, file: t.file}, nil
}

// WarmUp lets encoding/json get to know the types of manifests, which it does when it
// first sees them. It takes as long as encoding a small manifest, so that programs which
// are about to read or write an image do it beside their start.
var WarmUp = sync.OnceFunc(func() { _, _ = json.Marshal(&Manifest{}) })

// reserveMin is the shortest stretch of the file whose disk space is reserved
// ahead of writing, in bytes. Reserving makes writes of long stretches a
// quarter faster, but costs as much as a short write itself.
const reserveMin = 64 << 10

// Layout says which memory the image will hold. It gives everything its
// position and reserves the disk space. A disk that is too full is a
// syscall.ENOSPC that says how much is needed.
//
// Pages of anonymous areas outside of runs are zero in the image, those of
// file-backed areas are the file's.
func (w *Writer) Layout(l Layout) error {
	if w.placed != nil {
		return errors.New("image is laid out already")
	}
	if err := l.check(); err != nil {
		return err
	}
	placed, err := l.plan(w.ahead)
	if err != nil {
		return err
	}
	w.placed, w.payloadEnd = placed, placed.end
	for i := range l.Objects {
		o := &l.Objects[i]
		w.laidOut = append(w.laidOut, o.Object)
		w.objects = append(w.objects, &SpaceWriter{w: w, areas: []Area{o.area()}, runs: slices.Clone(o.Runs), segs: placed.objects[i]})
	}
	for i := range l.Processes {
		// Copies: callers complete their areas while memory is written.
		p := &l.Processes[i]
		s := &SpaceWriter{w: w, areas: slices.Clone(p.Areas), runs: slices.Clone(p.Runs), segs: placed.processes[i]}
		if p.Ahead != nil {
			var stale []fileRange
			_, s.runs, stale = p.Ahead.fixed(p.Runs)
			w.stale = append(w.stale, stale...)
		}
		w.processes = append(w.processes, s)
	}
	for _, s := range w.aheads {
		if !slices.ContainsFunc(l.Processes, func(p Space) bool { return p.Ahead == s }) {
			w.stale = append(w.stale, s.stale(nil)...) // the process has ended
		}
	}
	for _, s := range slices.Concat(w.objects, w.processes) {
		if err := s.reserve(); err != nil {
			return err
		}
	}
	return w.fail(w.pack.layout(w))
}

// Process takes the memory of the process with that index, after Layout.
func (w *Writer) Process(i int) *SpaceWriter { return w.processes[i] }

// Object takes the memory of the object with that index, after Layout.
func (w *Writer) Object(i int) *SpaceWriter { return w.objects[i] }

// File is the image in the making, for who writes memory to its SpaceWriter.Place
// himself. It is not the image if that is to be compressed.
func (w *Writer) File() *os.File { return w.file }

// maxFiles stands in for the number of files, which Layout does not know.
const maxFiles = 1 << 31

func (w *Writer) reserve(at fileRange) error {
	if at.len < reserveMin || w.pack != nil {
		return nil
	}
	done, err := sys.Preallocate(w.file, int64(at.pos), int64(at.len))
	w.reserved = w.reserved || done
	return w.fail(err)
}

// fail gives an error of writing the image's name and, when the disk is full,
// the space that was needed.
func (w *Writer) fail(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("write image %s: it needs %s: %w", w.path, w.needs(), err)
	}
	return fmt.Errorf("write image %s: %w", w.path, err)
}

// needs says how much disk space the image takes.
func (w *Writer) needs() string {
	if w.pack != nil {
		return fmt.Sprintf("an estimated %d bytes", w.planned/usualRatio)
	}
	return fmt.Sprintf("%d bytes", w.planned)
}

// Finish writes all the rest: notes, headers, seal. m must list the very areas
// that Layout was given; it is not changed. From here on the saved process is
// no longer needed.
func (w *Writer) Finish(m *Manifest) (Stats, error) {
	if err := w.Compress(context.Background(), nil); err != nil {
		return Stats{}, err
	}
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
	if err := w.settle(); err != nil {
		return Stats{}, err
	}
	w.chunks.sort()
	if err := w.chunks.check(w.placed.owners(), w.placed.end); err != nil {
		return Stats{}, fmt.Errorf("write image %s: memory was given twice: %w", w.path, err)
	}
	size, err := w.writeRest(m)
	if err != nil {
		return Stats{}, w.fail(err)
	}
	w.finished, w.whole = true, m.Parent == nil
	s := w.chunks.stats()
	s.Size, s.Raw, s.ZeroSkipped = int64(size), int64(size), int64(w.zero)
	if w.pack != nil {
		s.Size = w.pack.size
	}
	return s, nil
}

// writeRest writes all that is not memory or payload, and returns the length of
// the file.
func (w *Writer) writeRest(m *Manifest) (uint64, error) {
	f := w.file
	parts, end, err := w.writeParts(m)
	if err != nil {
		return 0, err
	}
	notes, err := encodeNotes(func(f func(note) error) error { return eachNote(m, w.chunks, parts, f) })
	if err != nil {
		return 0, err
	}
	at := fileRange{pos: alignUp(end), len: uint64(len(notes)) + sealSize}
	headers := encodeHeaders(w.placed.processes[0], at, ManifestVersion)
	sum := seal(headers, notes)
	w.seal = hex.EncodeToString(sum)
	notes = append(notes, sealNote(sum)...)
	// The length first: space that was reserved for zeros at the end goes.
	if err := f.Truncate(int64(at.end())); err != nil {
		return 0, err
	}
	if _, err := f.WriteAt(notes, int64(at.pos)); err != nil {
		return 0, err
	}
	if w.pack != nil {
		return at.end(), w.pack.finish(w, headers, int64(at.end()))
	}
	_, err = f.WriteAt(headers, 0)
	return at.end(), err
}

// writeParts writes the headers and notes of objects and of all processes but
// the root, behind the payload.
func (w *Writer) writeParts(m *Manifest) (parts []part, end uint64, err error) {
	end = w.payloadEnd
	add := func(segs []Segment, list func(f func(note) error) error) error {
		notes, err := encodeNotes(list)
		if err != nil {
			return err
		}
		p, b := encodePart(segs, notes, alignPart(end))
		parts, end = append(parts, p), p.end()
		_, err = w.file.WriteAt(b, int64(p.pos))
		return err
	}
	for _, segs := range w.placed.objects {
		if err := add(segs, func(func(note) error) error { return nil }); err != nil {
			return nil, 0, err
		}
	}
	for i := 1; i < len(m.Processes); i++ {
		list := func(f func(note) error) error { return eachPartNote(m, &m.Processes[i], f) }
		if err := add(w.placed.processes[i], list); err != nil {
			return nil, 0, err
		}
	}
	return parts, end, nil
}

// complete checks the manifest and adds what the Writer knows better.
func (w *Writer) complete(m *Manifest) (*Manifest, error) {
	out := *m
	if out.Version != ManifestVersion {
		return nil, fmt.Errorf("manifest: version %d instead of %d", out.Version, ManifestVersion)
	}
	if out.Parent == nil && slices.ContainsFunc(w.placed.processes, keepsAny) {
		return nil, errors.New("manifest: memory is the parent's, but there is none")
	}
	if out.Ahead = nil; w.ahead.Len > 0 {
		out.Ahead = &w.ahead
	}
	if out.Host.CPU.XSaveLayout == nil {
		out.Host.CPU.XSaveLayout = hostXSaveLayout()
	}
	if err := out.check(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := out.Host.CPU.checkLayout(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	for i := range out.Processes {
		p := &out.Processes[i]
		if err := p.checkStates(); err != nil {
			return nil, fmt.Errorf("manifest: process %d: %w", p.PID, err)
		}
	}
	return &out, w.checkLaidOut(&out)
}

// checkLaidOut checks that areas and objects are those of Layout, as far as it
// went by them.
func (w *Writer) checkLaidOut(m *Manifest) error {
	same := func(a, b Area) bool {
		return a.Start == b.Start && a.End == b.End && a.Prot == b.Prot && a.Kind == b.Kind && a.Whole == b.Whole &&
			(a.Object == b.Object && a.Offset == b.Offset || len(m.Objects) == 0)
	}
	if len(m.Processes) != len(w.processes) || len(m.Objects) != len(w.objects) {
		return errors.New("manifest: processes or objects are not those of the layout")
	}
	for i := range m.Processes {
		if !slices.EqualFunc(m.Processes[i].Areas, w.processes[i].areas, same) {
			return fmt.Errorf("manifest: areas of process %d are not those of the layout", m.Processes[i].PID)
		}
	}
	for i, o := range m.Objects {
		if w.laidOut[i] != o {
			return fmt.Errorf("manifest: object %d is not that of the layout", o.ID)
		}
	}
	return nil
}

// Seal is Image.Seal, after Finish.
func (w *Writer) Seal() string { return w.seal }

// Publish gives the image its name, after Finish. An image that was there
// before is replaced at once: others see the one or the other.
func (w *Writer) Publish(o CommitOptions) error {
	if !w.finished || w.temp.file == nil {
		return errors.New("image is not finished")
	}
	defer w.Abort()
	if w.pack == nil {
		w.punchHoles()
	}
	if err := w.temp.publish(o.Fsync); err != nil {
		return w.fail(err)
	}
	if w.whole {
		w.temp.sweep(func() error {
			if o.Fsync {
				return nil
			}
			return errors.Join(sys.SyncData(w.temp.file), w.temp.syncName())
		})
	}
	return nil
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
func (w *Writer) Abort() {
	w.temp.remove()
	w.pack.close()
}
