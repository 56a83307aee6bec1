package kind

import (
	"fmt"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// directory is an open directory. Its position is a cookie of the file system,
// which stays valid as long as the directory does.
type directory struct{}

func (directory) Name() string { return "directory" }

func (directory) Match(d *Desc) bool {
	return d.Stat.Mode&sys.ModeType == sys.ModeDir
}

func (directory) Save(_ *SaveContext, d *Desc, f *image.OpenFile) error {
	st, err := sys.StatPath(d.Link)
	if isMissing(err) || err == nil && !isSame(d, st) {
		return &UnsupportedError{d.object(), "this directory was removed or replaced", "close it before saving"}
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

func (directory) Remake(r *RestoreContext, f *image.OpenFile) error {
	was, err := detail[identity](f)
	if err != nil {
		return err
	}
	file, err := sys.OpenFile(f.Path, f.Flags&openFlags|sys.ODirectory, 0)
	if err != nil {
		return cannotOpen(r, f, err)
	}
	r.Made(f, file)
	st, err := sys.StatFD(int(file.Fd()))
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	if st.Ino != was.Ino && !was.Pseudo {
		return changed(r, f, "it was replaced by another directory after it was saved")
	}
	return nil
}
