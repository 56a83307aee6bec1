package kind

import (
	"fmt"
	"os"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// stdio is a pipe or socket on 0, 1 or 2 whose other end is in a process that
// is not saved: the shell's pipeline, a service manager's journal. It is taken
// from the restart's own 0, 1 and 2, as what the user connected them to there
// is what he wants. (Pipes and unix sockets come here from their own kinds,
// which know where their other end is.)
type stdio struct{}

type stdioDetail struct {
	Number int `json:"number"` // 0, 1 or 2: where to take the numbers above 2 from
}

func (stdio) Name() string { return "stdio" }

func (stdio) Match(d *Desc) bool {
	return d.stdio() >= 0 && d.Stat.Mode&sys.ModeType == sys.ModeSocket
}

func (stdio) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	local, err := c.Local(d)
	if err != nil {
		return err
	}
	fd := int(local.Fd())
	listening, err := sys.Listening(fd)
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	if listening {
		return saveGiven(c, d, f, d.stdio())
	}
	return saveStdio(c, d, f, d.stdio())
}

func isStdio(n int) bool { return n >= 0 && n <= 2 }

// saveStdio describes d as kind stdio, to be taken from number n.
func saveStdio(c *SaveContext, d *Desc, f *image.OpenFile, n int) error {
	f.Kind = stdio{}.Name()
	local, err := c.Local(d)
	if err != nil {
		return err
	}
	if d.access() != sys.OWronly && c.Frozen {
		// The error is of sockets that have no such count.
		if unread, err := sys.Unread(int(local.Fd())); err == nil && unread > 0 {
			c.Warn(d.object(), fmt.Sprintf("%d bytes that wait to be read are not saved", unread))
		}
	}
	return setDetail(f, stdioDetail{Number: n})
}

func (stdio) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[stdioDetail](f)
	if err != nil {
		return err
	}
	if !isStdio(det.Number) {
		return fmt.Errorf("%s: %w: taken from %d", r.object(f), image.ErrCorrupt, det.Number)
	}
	return r.inherit(f, det.Number)
}

// inherit takes f from the restart's own descriptors.
func (r *RestoreContext) inherit(f *image.OpenFile, n int) error {
	for _, number := range r.Numbers(f) {
		if err := r.inheritAt(f, number, r.source(f, number, n)); err != nil {
			return err
		}
	}
	return nil
}

// source is from which of the restart's own descriptors a number of f is taken:
// 0, 1 and 2 each from the same number there, as the user may have connected them
// to three places. What the root has at 0, 1 or 2 is one of these for the others,
// whatever number they have it at. All else is from number n.
func (r *RestoreContext) source(f *image.OpenFile, number, n int) int {
	root := slices.DeleteFunc(slices.Clone(r.NumbersIn(r.Process, f)), func(n int) bool { return !isStdio(n) })
	switch {
	case isStdio(number) && (len(root) == 0 || slices.Contains(root, number)):
		return number
	case len(root) > 0:
		return slices.Min(root)
	}
	return n
}

// inheritAt takes one number of f from the restart's own descriptor n, 0 to 2.
func (r *RestoreContext) inheritAt(f *image.OpenFile, number, n int) error {
	own := r.Stdio[n]
	if own == nil {
		r.Warn(fmt.Sprintf("fd %d", n), "closed where the restart was started: replaced by /dev/null")
		null, err := sys.OpenFile("/dev/null", sys.ORdwr, 0)
		if err != nil {
			return err
		}
		defer null.Close()
		own = null
	}
	return r.takeAt(f, number, own)
}

// takeAt makes one number of f a duplicate of a descriptor of the restart. It
// goes by MadeAt and not by Made, since offset and flags are not the program's:
// the user may have redirected to the end of a log with O_APPEND. Only O_NONBLOCK
// is what the program expects.
func (r *RestoreContext) takeAt(f *image.OpenFile, number int, own *os.File) error {
	fd, err := sys.Dup(int(own.Fd()))
	if err != nil {
		return fmt.Errorf("fd %d: %w", number, err)
	}
	r.MadeAt(f, number, os.NewFile(uintptr(fd), own.Name()))
	flags, err := sys.StatusFlags(fd)
	if want := flags&^sys.ONonblock | f.Flags&sys.ONonblock; err == nil && want != flags {
		err = sys.SetStatusFlags(fd, want)
	}
	if err != nil {
		return fmt.Errorf("fd %d: %w", number, err)
	}
	return nil
}

// takenFrom is the restart's own descriptor that the number of f is taken
// from, nil if f is made anew.
func (r *RestoreContext) takenFrom(f *image.OpenFile, number int) *os.File {
	if f.Kind != (stdio{}).Name() && f.Kind != (tty{}).Name() {
		return nil
	}
	det, err := detail[stdioDetail](f) // a terminal's has the same number
	if err != nil {
		return nil
	}
	n := r.source(f, number, det.Number)
	if !isStdio(n) {
		return nil
	}
	return r.Stdio[n]
}
