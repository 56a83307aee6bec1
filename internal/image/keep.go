package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ckpt/internal/sys"
)

// An image that goes on from the one whose place it takes keeps that one under
// another name, KeptName. Such images are removed when an image that is complete
// in itself has taken the place, is on the disk, and nothing in the directory goes
// on from them.

// GoesOnFrom makes parent, which must stay open, the parent of the image. If it is
// at the very path of the image, it is kept under its KeptName from now on, or
// until Abort.
func (w *Writer) GoesOnFrom(parent *Image) (*Parent, error) {
	p := &Parent{ID: parent.manifest.ID, Seal: parent.seal}
	there, err := w.temp.dir.Lstat(w.temp.dest)
	if err == nil && parent.SameFile(there) {
		p.Path = KeptName(w.temp.dest, p.ID)
		return p, w.temp.keep(p.Path)
	}
	from, err := filepath.Abs(filepath.Dir(w.path))
	if err != nil {
		return nil, err
	}
	to, err := filepath.Abs(parent.Path())
	if err != nil {
		return nil, err
	}
	p.Path, err = filepath.Rel(from, to)
	return p, err
}

// Hold keeps others from removing the image and its parents by taking their place,
// as long as it is open.
func (im *Image) Hold() error {
	for at := im; at != nil; at = at.parent {
		// File systems without locks have nobody who would wait for one.
		if err := sys.TryFlock(int(at.file.Fd()), false); errors.Is(err, syscall.EAGAIN) {
			return err
		}
	}
	return nil
}

// keep gives the file at the destination another name.
func (t *tempFile) keep(name string) error {
	err := t.dir.Link(t.dest, name)
	if errors.Is(err, fs.ErrExist) {
		// Of a writer that died, or a file that has no business here.
		if err = t.dir.Remove(name); err == nil {
			err = t.dir.Link(t.dest, name)
		}
	}
	if err == nil {
		t.kept = name
	}
	return err
}

// isKept reports whether a name is one that KeptName may give to an image of the
// destination.
func (t *tempFile) isKept(name string) bool {
	id, ours := strings.CutPrefix(name, t.dest+".")
	return ours && len(id) == 32 && strings.Trim(id, "0123456789abcdef") == ""
}

// mostSwept is how many names a directory can have in which kept images, and what dead
// writers left, are looked for.
const mostSwept = 10_000

// sweep removes images that are kept under names of the destination, and that no
// image in the directory needs. The one at the destination must be complete in
// itself; durable makes that so on the disk. What can not be looked at stays.
func (t *tempFile) sweep(durable func() error) {
	d, err := t.dir.Open(".")
	if err != nil {
		return
	}
	defer d.Close()
	names, err := d.Readdirnames(mostSwept)
	if err != nil || len(names) == mostSwept || !slices.ContainsFunc(names, t.isKept) {
		return // most directories have none, and to open all images takes long
	}
	kept := map[string]*Image{} // by their ids
	parents := map[string]string{}
	var needed []string
	for _, name := range names {
		im := t.peek(name)
		if im == nil {
			continue
		}
		defer im.Close()
		id, parent := im.manifest.ID, im.manifest.Parent
		if t.isKept(name) && name == KeptName(t.dest, id) {
			kept[id] = im
			if parent != nil {
				parents[id] = parent.ID
			}
		} else if parent != nil {
			needed = append(needed, parent.ID)
		}
	}
	for _, id := range needed {
		for range len(kept) + 1 {
			delete(kept, id)
			if id = parents[id]; id == "" {
				break
			}
		}
	}
	if len(kept) == 0 || durable() != nil {
		return
	}
	for id, im := range kept {
		// Who goes on from it holds it.
		if sys.TryFlock(int(im.file.Fd()), true) == nil {
			_ = t.dir.Remove(KeptName(t.dest, id)) // else it is there the next time
		}
	}
}

// peek opens an image in the directory without its parents; nil if it is none.
func (t *tempFile) peek(name string) *Image {
	info, err := t.dir.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	// For writing: else NFS gives no exclusive lock.
	f, err := t.dir.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = t.dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	}
	if err != nil {
		return nil
	}
	im, err := read(f)
	if err != nil {
		f.Close()
		return nil
	}
	return im
}
