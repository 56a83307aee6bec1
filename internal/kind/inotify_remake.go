package kind

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

func (inotify) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[inotifyDetail](f)
	if err != nil {
		return err
	}
	file, err := sys.CreateInotify()
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	r.Made(f, file)
	slices.SortFunc(det.Watches, func(a, b inotifyWatch) int { return a.WD - b.WD })
	for _, w := range det.Watches {
		if err := addWatch(int(file.Fd()), w); err != nil {
			return fmt.Errorf("%s: %w", r.object(f), err)
		}
	}
	// The other files are opened and read in the same restore, which the
	// program would be told of.
	own, err := sys.Dup(int(file.Fd()))
	if err != nil {
		return err
	}
	events := os.NewFile(uintptr(own), "inotify")
	r.Hold(events)
	r.finally(f, func(*plan.Builder, []int) error {
		if err := dropEvents(int(events.Fd())); err != nil {
			return fmt.Errorf("%s: drop the restore's own events: %w", f.Path, err)
		}
		return nil
	})
	return nil
}

// addWatch makes a watch with the number that it had.
func addWatch(fd int, w inotifyWatch) error {
	if w.WD < 1 || w.WD > maxWatch {
		return fmt.Errorf("%w: watch number %d", image.ErrCorrupt, w.WD)
	}
	for {
		wd, err := sys.AddWatch(fd, w.Path, w.Mask|sys.InotifyDontFollow)
		if err != nil {
			return fmt.Errorf("watch %d: %w", w.WD, err)
		}
		if wd == w.WD {
			return nil
		}
		if wd > w.WD {
			return fmt.Errorf("%s can not be watch %d: it is watch %d already", w.Path, w.WD, wd)
		}
		if err := sys.RemoveWatch(fd, wd); err != nil {
			return fmt.Errorf("watch %d: %w", w.WD, err)
		}
	}
}

// maxDrops ends dropEvents where others keep writing events; they are the
// program's then.
const maxDrops = 1024

// dropEvents reads events until there are none. It asks the kernel how many
// there are, since the descriptor may wait by now.
func dropEvents(fd int) error {
	b := make([]byte, 64<<10)
	for range maxDrops {
		unread, err := sys.Unread(fd)
		if err != nil || unread == 0 {
			return err
		}
		if _, err := sys.Read(fd, b); err != nil && !errors.Is(err, syscall.EAGAIN) {
			return err
		}
	}
	return nil
}
