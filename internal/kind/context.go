package kind

import (
	"io"
	"os"

	"ckpt/internal/image"
	"ckpt/internal/proc"
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

// Stat is what stat(2) tells of an open file.
type Stat struct {
	Dev, Ino, Rdev     uint64
	Mode               uint32 // S_IFMT and permissions
	Nlink              uint64
	UID, GID           uint32
	Size, Blocks       int64 // bytes, 512-byte units
	Mtime, Ctime       int64 // ns since the epoch
	DevMajor, DevMinor uint32
}

// SaveContext is what kinds may use to describe open files.
type SaveContext struct {
	FS     proc.FS
	PID    int
	Frozen bool // false: only tell whether it would survive

	// Local returns a descriptor in this process that shares the open file
	// description of d (pidfd_getfd(2)). It is closed with the context.
	Local func(d *Desc) (*os.File, error)

	// AddPayload stores size bytes of src in the image, of which only the
	// extents [off, len] are read; the rest is zero. Only when Frozen.
	AddPayload func(src io.ReaderAt, size int64, extents [][2]int64) (image.PayloadRef, error)

	// Warn says something that the user should know but that is no reason to
	// refuse. object is like UnsupportedError.Object.
	Warn func(object, text string)
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
	// owns it from now on.
	Made func(f *image.OpenFile, fd *os.File)

	// Final adds to the plan, see type Final.
	Final func(f *image.OpenFile, add Final)

	// Warn says something in one line that the user should know.
	Warn func(object, text string)

	objects map[string]any
}

// Policy says what to do about files that changed since they were saved.
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
