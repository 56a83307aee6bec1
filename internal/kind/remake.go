package kind

import (
	"fmt"
	"io"
	"os"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// settable are the status flags that fcntl(2) can change after open(2).
// O_ASYNC is not among them: restoreOwner sets it in the final process.
const settable = sys.OAppend | sys.ODirect | sys.ONoatime | sys.ONonblock

// Remake makes the open file f again and puts back what open files of every
// kind have: offset, status flags, locks and owner.
func Remake(r *RestoreContext, f *image.OpenFile) error {
	k := kindNamed(f.Kind)
	if k == nil {
		return &UnsupportedError{
			Object: r.object(f),
			Reason: fmt.Sprintf("the image has an open file of unknown kind %q", f.Kind),
			Advice: "restore it with the version of ckpt that wrote it",
		}
	}
	var made *os.File
	handOver := r.Made
	r.Made = func(g *image.OpenFile, fd *os.File) {
		if g == f {
			made = fd
			if r.made == nil {
				r.made = map[int]*os.File{}
			}
			r.made[f.ID] = fd
		}
		handOver(g, fd)
	}
	defer func() { r.Made = handOver }()

	if err := k.Remake(r, f); err != nil {
		return err
	}
	if r.onlyMapped(f) {
		return nil // a mapping has neither offset nor flags
	}
	if made != nil {
		if err := putBack(r, f, int(made.Fd())); err != nil {
			return fmt.Errorf("%s: %w", r.object(f), err)
		}
	}
	return remakeFinally(r, f)
}

// putBack is the part that can be done here.
func putBack(r *RestoreContext, f *image.OpenFile, fd int) error {
	if f.Flags&sys.OPath != 0 {
		return nil // refers to a file but has not opened it: there is nothing to put back
	}
	if f.Pos != 0 {
		// What has no offset but shows one is a device; to those it means nothing.
		if _, err := sys.Seek(fd, f.Pos, io.SeekStart); err != nil && !isNotSeekable(err) {
			return fmt.Errorf("go to position %d: %w", f.Pos, err)
		}
	}
	if err := putFlags(f, fd); err != nil {
		return err
	}
	return takeLocks(r, f, fd)
}

func putFlags(f *image.OpenFile, fd int) error {
	flags, err := sys.StatusFlags(fd)
	if err != nil {
		return err
	}
	want := flags&^settable | f.Flags&settable
	if flags == want {
		return nil
	}
	if err := sys.SetStatusFlags(fd, want); err != nil {
		return fmt.Errorf("set flags %#o: %w", want, err)
	}
	return nil
}

// remakeFinally adds what belongs to the process and not to the open file.
func remakeFinally(r *RestoreContext, f *image.OpenFile) error {
	restoreOwner(r, f)
	return takePOSIXLocks(r, f)
}

func kindNamed(name string) Kind {
	for _, k := range Table {
		if k.Name() == name {
			return k
		}
	}
	return nil
}
