package kind

import (
	"errors"
	"fmt"
	"io/fs"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// regular is a file that still has the name by which it was opened, or a
// mapping of one. Its content is not in the image: it is opened again by name,
// and policy.go says what happens if it changed in the meantime.
type regular struct{}

func (regular) Name() string { return "regular" }

func (regular) Match(d *Desc) bool { return isFile(d) }

func (regular) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	st, err := sys.StatPath(d.Link)
	if isMissing(err) || err == nil && !isSame(d, st) {
		return saveNameless(c, d, f)
	}
	if err == nil && d.FD >= 0 {
		err = sys.MayOpen(d.Link, int(d.Info.Flags))
	}
	if errors.Is(err, fs.ErrPermission) {
		return saveForbidden(c, d, f)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	id, err := identify(d.Link, st)
	if err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	return setDetail(f, id)
}

// saveForbidden is for a file that the program was given by somebody with more
// rights: a log that root opened for it, mostly as 1 and 2. Those can be
// replaced by the restart's own.
func saveForbidden(c *SaveContext, d *Desc, f *image.OpenFile) error {
	if d.stdio() < 0 {
		return &UnsupportedError{d.object(), "you may not open it, and a restore would have to", "save and restore as a user who may"}
	}
	c.Warn(d.object(), "you may not open it again: it will be taken from the restart's own")
	return saveStdio(c, d, f, d.stdio())
}

// saveNameless saves a file that has a name, but not the one by which it was
// opened: it was renamed over, or is a hard link whose own name is gone.
// Opening the name again would give the program somebody else's file.
func saveNameless(c *SaveContext, d *Desc, f *image.OpenFile) error {
	if d.FD >= 0 && c.Frozen {
		c.Warn(d.object(), "its name is gone or leads to another file now: its content is saved, and it comes back without a name")
	}
	f.Kind = deleted{}.Name()
	return deleted{}.Save(c, d, f)
}

// isSame reports whether st, found by name, is the file that d refers to.
func isSame(d *Desc, st Stat) bool {
	if d.Stat != (Stat{}) {
		return st.Dev == d.Stat.Dev && st.Ino == d.Stat.Ino
	}
	// The device numbers of maps are not those of stat(2) on btrfs and
	// overlayfs, so only the inode counts.
	return d.Area == nil || !d.Area.Deleted && st.Ino == d.Area.Inode
}

func (regular) Remake(r *RestoreContext, f *image.OpenFile) error {
	was, err := detail[identity](f)
	if err != nil {
		return err
	}
	st, err := sys.StatPath(f.Path)
	if err != nil {
		return cannotOpen(r, f, err)
	}
	if st.Mode&sys.ModeType != sys.ModeRegular {
		return &UnsupportedError{r.object(f), "it is not a regular file any more", "put the file back where it was"}
	}
	if !was.Pseudo {
		if err := judge(r, f, &was, st); err != nil {
			return err
		}
	}
	// O_NONBLOCK in case that it was replaced by a FIFO just now, whose open
	// would wait; putFlags takes it away.
	file, err := sys.OpenFile(f.Path, f.Flags&fileFlags|sys.ONonblock, 0)
	if err != nil {
		return cannotOpen(r, f, err)
	}
	r.Made(f, file)
	return nil
}
