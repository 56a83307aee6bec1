package kind

import (
	"errors"
	"io"
	"os"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// Desc is an open file description that is being looked at, by a descriptor of
// it.
type Desc struct {
	PID      int
	FD       int         // the lowest number of the open file description; -1: only a mapping refers to it
	Link     string      // what /proc/PID/fd/FD points to
	Stat     Stat        // of what it refers to
	Protocol string      // of a socket, see sys.SocketProtocol
	Info     proc.FDInfo // /proc/PID/fdinfo/FD; zero when FD is -1

	// Area is set when FD is -1: the first mapping that refers to the file.
	Area *proc.VMA

	// InFlight is set when no process has a descriptor of it, but it waits in
	// a unix socket to be received: a descriptor of this process, as PID and FD
	// say.
	InFlight *os.File

	// Holders are all descriptors of it, of all processes: PID and FD are the
	// first. It may be left empty if there is only that one.
	Holders []Holder
}

// Holder is a descriptor number of a process.
type Holder struct{ PID, FD int }

// AddHolder adds what o, another descriptor of the same open file or d itself,
// tells of it: its number, and the locks of its process.
func (d *Desc) AddHolder(o *Desc) {
	known := slices.ContainsFunc(d.Holders, func(h Holder) bool { return h.PID == o.PID })
	d.Holders = append(d.Holders, Holder{o.PID, o.FD})
	if known || o == d {
		return
	}
	for _, l := range o.Info.Locks {
		if l.Type == lockPOSIX {
			d.Info.Locks = append(d.Info.Locks, l)
		}
	}
}

// process is one that has d open; what is in flight counts as the root's.
func (d *Desc) process(c *SaveContext) int {
	if d.InFlight != nil {
		return c.PIDs[0]
	}
	return d.PID
}

// processes are all that have d open, the one of process first.
func (d *Desc) processes(c *SaveContext) []int {
	pids := []int{d.process(c)}
	for _, h := range d.Holders {
		if d.InFlight == nil && !slices.Contains(pids, h.PID) {
			pids = append(pids, h.PID)
		}
	}
	return pids
}

// number is the lowest descriptor number of d in a process, -1 if it has none.
func (d *Desc) number(pid int) int {
	if d.InFlight == nil && d.PID == pid {
		return d.FD
	}
	lowest := -1
	for _, h := range d.Holders {
		if d.InFlight == nil && h.PID == pid && (lowest < 0 || h.FD < lowest) {
			lowest = h.FD
		}
	}
	return lowest
}

// stdio is the lowest of 0, 1 and 2 among the numbers of d, in whatever process;
// -1 if there is none.
func (d *Desc) stdio() int {
	lowest := -1
	for _, h := range append([]Holder{{d.PID, d.FD}}, d.Holders...) {
		if d.InFlight == nil && isStdio(h.FD) && (lowest < 0 || h.FD < lowest) {
			lowest = h.FD
		}
	}
	return lowest
}

// Stat is what stat(2) tells of an open file. It is all zero if FD is -1 and
// the file could not be reached.
type Stat = sys.FileStat

// SaveContext is what kinds may use to describe open files.
type SaveContext struct {
	FS     proc.FS
	PIDs   []int // of all processes that are saved together, the root first
	Frozen bool  // false: only tell whether it would survive

	// Given are the numbers of descriptors that will be handed over when the
	// image is restored, if they can not be saved.
	Given []int

	// All are all open files of the processes, d among them. Kinds that have
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

	// Found adds what waits in a unix socket to be received to the open files
	// and returns its OpenFile.ID. It takes local over. Only when Frozen, and
	// only from func Find.
	Found func(local *os.File) (id int, err error)

	payloads map[string]image.PayloadRef

	sockets map[uint32]*sys.UnixSocket // see diagnose; nil: not looked yet
	known   map[uint32]bool            // inodes of the first knownOf of All, see inside
	knownOf int
	queues  map[uint32]*unixQueue // by inode, see findUnix

	pipes   map[inode][]*Desc // the ends among the first pipesOf of All, see endsOf
	pipesOf int

	groups   map[int]bool   // see hasGroup; nil: not looked yet
	channels map[string]int // see openChannels; nil: not looked yet
	settled  map[int]bool   // processes outside that are no passing ones, see holderOutside
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
	Process  *image.Process // the root
	Policy   Policy

	// PIDs and Groups are the numbers that the processes and process groups of
	// the image have when they run again, by those that they had. If they are
	// nil there is one process, which has this one's numbers: restoring ends in
	// an execve.
	PIDs, Groups map[int]int

	// Stdio are the restarter's own descriptors 0, 1 and 2, at other numbers;
	// nil where it has none.
	Stdio [3]*os.File

	// Given are descriptors that are handed over, by the numbers for which they
	// are.
	Given map[int]*os.File

	// Payload reads what AddPayload stored.
	Payload func(ref image.PayloadRef) io.ReaderAt

	// Made hands over a descriptor of this process, opened for f. The context
	// owns it from now on. Offset, status flags, owner and locks need not be
	// right yet: func Remake sees to them.
	Made func(f *image.OpenFile, fd *os.File)

	// MadeAt is Made for the descriptor number n of f only, in all processes that
	// have f there, and wins over Made: a terminal or pipe that was one open file at 0, 1 and 2 can
	// come back as three, when the restart's own are three. The others of f's
	// numbers get what Made was given.
	MadeAt func(f *image.OpenFile, n int, fd *os.File)

	// Late adds the making of f to the plan, where only a process of the image
	// can open it, or only when all of them are there: open adds what opens it,
	// and stores its descriptor in slot fd. The first process that has f does
	// it, and the others share what that one has.
	Late func(f *image.OpenFile, open func(b *plan.Builder, fd plan.Slot))

	// Final adds to the plan of process p, see type Final.
	Final func(p *image.Process, f *image.OpenFile, add Final)

	// Controls is told of a pseudo terminal, by its master, that was the
	// controlling terminal of a session: who leads that has to take it
	// (TIOCSCTTY).
	Controls func(master *image.OpenFile, pty sys.Pty) error

	// Warn says something in one line that the user should know.
	Warn func(object, text string)

	objects map[string]any
	made    map[int]*os.File  // by OpenFile.ID, what Made was given
	holders map[int][]holding // by OpenFile.ID, see has
	later   []func() error
	held    []io.Closer
	toUndo  []io.Closer
	atEnd   []func() (undo func() error, err error)
}

// Hold keeps o, such as a descriptor that is behind several open files, until
// the restored processes have theirs.
func (r *RestoreContext) Hold(o io.Closer) { r.held = append(r.held, o) }

// HoldToUndo keeps o, which undoing needs, until the context is closed.
func (r *RestoreContext) HoldToUndo(o io.Closer) { r.toUndo = append(r.toUndo, o) }

// Release closes what Hold kept. After an execve it is not needed.
func (r *RestoreContext) Release() {
	for _, o := range r.held {
		_ = o.Close() // descriptors that were only read from or looked at
	}
	r.held = nil
}

// Close closes all that is kept.
func (r *RestoreContext) Close() {
	r.Release()
	for _, o := range r.toUndo {
		_ = o.Close() // whether it can be undone shows when it is undone
	}
	r.toUndo = nil
}

// WhenMade registers a step that needs other open files, or what stands between
// them. It is done by Connect.
func (r *RestoreContext) WhenMade(step func() error) { r.later = append(r.later, step) }

// Connect does the steps of WhenMade, when Remake was called for every open
// file. Errors are joined, so that the user hears of all at once.
func (r *RestoreContext) Connect() error {
	var errs []error
	for _, step := range r.later {
		errs = append(errs, step())
	}
	r.later = nil
	return errors.Join(errs...)
}

// AtEnd registers a step that comes last, since it changes something which
// outlives a failed restore, such as the length of a file, or since it ends the
// freedom to do other steps. It is done by Commit, when every other obstacle
// has been cleared. undo may be nil.
func (r *RestoreContext) AtEnd(step func() (undo func() error, err error)) {
	r.atEnd = append(r.atEnd, step)
}

// Changes reports whether Commit changes what a failed restore would have to
// undo.
func (r *RestoreContext) Changes() bool { return len(r.toUndo) > 0 }

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
