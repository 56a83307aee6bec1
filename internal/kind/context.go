package kind

import (
	"errors"
	"io"
	"os"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// Desc is an open descriptor of a process that is being looked at.
type Desc struct {
	PID  int
	FD   int         // the lowest number of the open file description; -1: only a mapping refers to it
	Link string      // what /proc/PID/fd/FD points to
	Stat Stat        // of what it refers to
	Info proc.FDInfo // /proc/PID/fdinfo/FD; zero when FD is -1

	// Area is set when FD is -1: the first mapping that refers to the file.
	Area *proc.VMA
}

// Stat is what stat(2) tells of an open file. It is all zero if FD is -1 and
// the file could not be reached.
type Stat = sys.FileStat

// SaveContext is what kinds may use to describe open files.
type SaveContext struct {
	FS     proc.FS
	PID    int
	Frozen bool // false: only tell whether it would survive

	// All are all open files of the process, d among them. Kinds that have
	// two ends look there for the other one.
	All []*Desc

	// Local returns a descriptor in this process that shares the open file
	// description of d (pidfd_getfd(2)). It is closed with the context. Its
	// offset and flags are the process's own: leave them alone.
	Local func(d *Desc) (*os.File, error)

	// AddPayload stores size bytes of src in the image, of which only the
	// extents [off, len] are read; the rest is zero. Only when Frozen.
	AddPayload func(src io.ReaderAt, size int64, extents [][2]int64) (image.PayloadRef, error)

	// Warn says something that the user should know but that is no reason to
	// refuse. object is like UnsupportedError.Object.
	Warn func(object, text string)

	payloads map[string]image.PayloadRef

	pipes map[string]int // see openPipes; nil: not looked yet
}

// stored returns what add returned for the key the first time: the payload of
// what several open files share.
func (c *SaveContext) stored(key string, add func() (image.PayloadRef, error)) (image.PayloadRef, error) {
	if ref, ok := c.payloads[key]; ok {
		return ref, nil
	}
	ref, err := add()
	if err != nil {
		return ref, err
	}
	if c.payloads == nil {
		c.payloads = map[string]image.PayloadRef{}
	}
	c.payloads[key] = ref
	return ref, nil
}

// RestoreContext is what kinds may use to make open files again.
type RestoreContext struct {
	Manifest *image.Manifest
	Process  *image.Process
	Policy   Policy

	// Stdio are the restarter's own descriptors 0, 1 and 2, at other numbers;
	// nil where it has none.
	Stdio [3]*os.File

	// Payload reads what AddPayload stored.
	Payload func(ref image.PayloadRef) io.ReaderAt

	// Made hands over a descriptor of this process, opened for f. The context
	// owns it from now on. Offset, status flags, owner and locks need not be
	// right yet: func Remake sees to them.
	Made func(f *image.OpenFile, fd *os.File)

	// MadeAt is Made for the one descriptor number n of f only, and wins over
	// Made there: a terminal or pipe that was one open file at 0, 1 and 2 can
	// come back as three, when the restart's own are three. The others of f's
	// numbers get what Made was given.
	MadeAt func(f *image.OpenFile, n int, fd *os.File)

	// Final adds to the plan, see type Final.
	Final func(f *image.OpenFile, add Final)

	// Warn says something in one line that the user should know.
	Warn func(object, text string)

	objects map[string]any
	held    []io.Closer
	atEnd   []func() (undo func() error, err error)
}

// Hold keeps o, such as a descriptor that is behind several open files, until
// the context is closed.
func (r *RestoreContext) Hold(o io.Closer) { r.held = append(r.held, o) }

// Close closes what Hold kept. After an execve it is not needed.
func (r *RestoreContext) Close() {
	for _, o := range r.held {
		_ = o.Close() // descriptors that were only read from or looked at
	}
	r.held = nil
}

// AtEnd registers a step that comes last, since it changes something which
// outlives a failed restore, such as the length of a file, or since it ends the
// freedom to do other steps. It is done by Commit, when every other obstacle
// has been cleared. undo may be nil.
func (r *RestoreContext) AtEnd(step func() (undo func() error, err error)) {
	r.atEnd = append(r.atEnd, step)
}

// Commit does the steps of AtEnd in their order. If one fails, those before it
// are undone and its error is returned. undo is for the case that something
// fails later, such as the execve.
func (r *RestoreContext) Commit() (undo func() error, err error) {
	var undos []func() error
	undo = func() error {
		var errs []error
		for _, u := range slices.Backward(undos) {
			errs = append(errs, u())
		}
		undos = nil
		return errors.Join(errs...)
	}
	for _, step := range r.atEnd {
		u, err := step()
		if err != nil {
			return nil, errors.Join(err, undo())
		}
		if u != nil {
			undos = append(undos, u)
		}
	}
	r.atEnd = nil
	return undo, nil
}

// NewPID is the number that process or thread pid of the image has when it
// runs again; false if it is not part of the image.
func (r *RestoreContext) NewPID(pid int) (int, bool) {
	if pid == r.Process.PID {
		// Restoring ends in an execve, which keeps the number.
		return os.Getpid(), true
	}
	return 0, false
}

// Numbers are the descriptor numbers of the open file; none if only mappings
// refer to it.
func (r *RestoreContext) Numbers(f *image.OpenFile) []int {
	var fds []int
	for _, d := range r.Process.Descriptors {
		if d.File == f.ID {
			fds = append(fds, d.FD)
		}
	}
	return fds
}

// CloseOnExec reports whether the descriptor number is close-on-exec.
func (r *RestoreContext) CloseOnExec(fd int) bool {
	for _, d := range r.Process.Descriptors {
		if d.FD == fd {
			return d.CloseOnExec
		}
	}
	return false
}

// Policy says what to do about files that changed since they were saved. Empty
// fields mean GrownCut and ChangedKeep.
type Policy struct {
	Grown   string // GrownCut, GrownKeep or GrownFail
	Changed string // ChangedKeep or ChangedFail
}

// Values of Policy.
const (
	GrownCut    = "cut"  // cut back to the saved length, keep the tail beside it
	GrownKeep   = "keep" // leave it as it is
	GrownFail   = "fail" // refuse to restore
	ChangedKeep = "keep" // say so and go on
	ChangedFail = "fail" // refuse to restore
)

// Object returns what make made for the key the first time it was asked for:
// the object behind several open files, such as the pipe behind its two ends.
func Object[T any](r *RestoreContext, key string, make func() (T, error)) (T, error) {
	if o, ok := r.objects[key]; ok {
		return o.(T), nil
	}
	o, err := make()
	if err != nil {
		return o, err
	}
	if r.objects == nil {
		r.objects = map[string]any{}
	}
	r.objects[key] = o
	return o, nil
}
