package kind

import (
	"strings"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// path is a descriptor that was opened with O_PATH: a place in the tree of
// files, of whatever type, that is not open itself.
type path struct{}

func (path) Name() string { return "path" }

func (path) Match(d *Desc) bool { return d.Info.Flags&sys.OPath != 0 }

func (path) Save(_ *SaveContext, d *Desc, f *image.OpenFile) error {
	if !strings.HasPrefix(d.Link, "/") {
		return &UnsupportedError{d.object(), "O_PATH descriptors of what has no name are not supported", "close it before saving"}
	}
	// What the descriptor refers to may be a symbolic link itself.
	st, err := sys.LstatPath(d.Link)
	if err != nil || !isSame(d, st) {
		return &UnsupportedError{d.object(), "what this O_PATH descriptor refers to was removed or replaced", "close it before saving"}
	}
	return setDetail(f, identity{Dev: st.Dev, Ino: st.Ino, Mode: st.Mode})
}

func (path) Remake(r *RestoreContext, f *image.OpenFile) error {
	was, err := detail[identity](f)
	if err != nil {
		return err
	}
	// The last component is what was found when it was opened: if it is a link
	// today it must not be followed, as it was not then.
	file, err := sys.OpenFile(f.Path, f.Flags&openFlags|sys.OPath|sys.ONofollow, 0)
	if err != nil {
		return cannotOpen(r, f, err)
	}
	r.Made(f, file)
	st, err := sys.StatFD(int(file.Fd()))
	if err != nil {
		return err
	}
	if st.Mode&sys.ModeType != was.Mode&sys.ModeType {
		return &UnsupportedError{r.object(f), "it is of another type now", "put back what was there"}
	}
	if st.Ino != was.Ino {
		return changed(r, f, "it was replaced after it was saved")
	}
	return nil
}
