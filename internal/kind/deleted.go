package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// deleted is a regular file that has no name any more, or never had one
// (O_TMPFILE). Its content is saved, holes kept, and comes back in a file
// without a name.
type deleted struct{}

func (deleted) Name() string { return "deleted" }

func (deleted) Match(d *Desc) bool {
	if !isFile(d) {
		return false
	}
	if d.Stat != (Stat{}) {
		return d.Stat.Nlink == 0
	}
	return d.Area != nil && d.Area.Deleted
}

func (deleted) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	magic, err := sys.FSMagic(c.FS.Process(d.PID).Path(fmt.Sprintf("fd/%d", d.FD)))
	if err == nil && magic == sys.MqueueMagic {
		// It looks like a file of the root directory.
		return &UnsupportedError{d.named("POSIX message queue"), "what waits in it can not be looked at", "close it before saving"}
	}
	det, err := saveContent(c, d)
	if err != nil {
		return err
	}
	return setDetail(f, det)
}

func (deleted) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[content](f)
	if err != nil {
		return err
	}
	return det.remake(r, f, func() (*os.File, error) { return createNameless(r, f) })
}

// createNameless makes a file without a name, where the deleted one was if that
// is possible: there is room for it, and its file system has the same abilities.
func createNameless(r *RestoreContext, f *image.OpenFile) (*os.File, error) {
	path, _ := proc.SplitDeleted(f.Path)
	file, err := createUnlinked(filepath.Dir(path))
	if err == nil {
		return file, nil
	}
	for _, dir := range []string{"/tmp", "/dev/shm"} {
		file, err := createUnlinked(dir)
		if err == nil {
			r.Warn(r.object(f), fmt.Sprintf("it was deleted and could not be made again in its directory: it is in %s now", dir))
			return file, nil
		}
	}
	file, memErr := sys.CreateMemfd(filepath.Base(path), 0)
	if memErr != nil {
		return nil, errors.Join(err, memErr)
	}
	r.Warn(r.object(f), "it was deleted and could not be made again in any directory: it is in memory now")
	return file, nil
}

// createUnlinked makes a file without a name in dir.
func createUnlinked(dir string) (*os.File, error) {
	file, err := sys.OpenFile(dir, sys.OTmpfile|sys.ORdwr, 0o600)
	if err == nil {
		return file, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	// NFS and some others have no O_TMPFILE.
	file, err = os.CreateTemp(dir, ".ckpt-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
