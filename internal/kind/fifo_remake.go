package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

func (fifo) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[fifoDetail](f)
	if err != nil {
		return err
	}
	file, err := r.openFIFO(f, &det)
	if err != nil {
		return err
	}
	r.Made(f, file)
	if det.Content == nil {
		return nil
	}
	if err := r.refillFIFO(f, file, det.Content); err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	return nil
}

// openFIFO opens one end without waiting.
func (r *RestoreContext) openFIFO(f *image.OpenFile, det *fifoDetail) (*os.File, error) {
	access := f.Flags & sys.OAccMode
	path, deleted := proc.SplitDeleted(f.Path)
	if det.Partner {
		return r.openToPartner(f, path, access)
	}
	if !deleted {
		if err := r.findFIFO(f, path, det.Mode); err != nil {
			return nil, err
		}
	}
	if det.Quiet && !deleted {
		return sys.OpenFile(path, sys.ORdonly|sys.ONonblock, 0)
	}
	key := "fifo " + strconv.FormatUint(det.Ino, 10) + " " + f.Path
	both, err := Object(r, key, func() (*os.File, error) { return r.holdFIFO(f, det, path, deleted) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.object(f), err)
	}
	return sys.Reopen(int(both.Fd()), access|sys.ONonblock)
}

// openToPartner opens an end whose other end is in another process, which must
// be there or be waiting for us in its own open.
func (r *RestoreContext) openToPartner(f *image.OpenFile, path string, access int) (*os.File, error) {
	file, err := sys.OpenFile(path, access|sys.ONonblock, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, &UnsupportedError{r.object(f), "nobody reads this FIFO now", "start its reader, then restore"}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: its other end was in another process: %w", r.object(f), err)
	}
	if access != sys.ORdonly {
		return file, nil
	}
	writer, err := hasWriter(int(file.Fd()))
	if err == nil && !writer {
		err = &UnsupportedError{r.object(f), "nobody writes to this FIFO now", "start its writer, then restore"}
	}
	if err != nil {
		_ = file.Close() // nothing was written
		return nil, err
	}
	return file, nil
}

// findFIFO makes sure that the FIFO is there, and makes it again if only its
// name is missing.
func (r *RestoreContext) findFIFO(f *image.OpenFile, path string, mode uint32) error {
	st, err := sys.StatPath(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := sys.Mkfifo(path, mode); err != nil {
			return fmt.Errorf("%s: it is gone: %w", r.object(f), err)
		}
		r.Warn(r.object(f), "the FIFO was gone: made again")
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	if st.Mode&sys.ModeType != sys.ModeFIFO {
		return &UnsupportedError{r.object(f), "there is something else now at its path", "put a FIFO there"}
	}
	return nil
}

// holdFIFO opens a FIFO for reading and writing until the execve, so that no
// other open waits or fails. One without a name is made under another, which
// is taken away again.
func (r *RestoreContext) holdFIFO(f *image.OpenFile, det *fifoDetail, path string, deleted bool) (*os.File, error) {
	if deleted {
		dir, err := os.MkdirTemp("", "ckpt-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		path = filepath.Join(dir, "fifo")
		if err := sys.Mkfifo(path, det.Mode); err != nil {
			return nil, err
		}
	}
	both, err := sys.OpenFile(path, sys.ORdwr|sys.ONonblock, 0)
	if err != nil {
		return nil, err
	}
	r.Hold(both)
	if err := sys.SetPipeSize(int(both.Fd()), det.Size); err != nil {
		r.Warn(r.object(f), fmt.Sprintf("its size stays what it is: %v", err))
	}
	return both, nil
}

// refillFIFO puts back what waited behind the read end.
func (r *RestoreContext) refillFIFO(f *image.OpenFile, read *os.File, c *pipeContent) error {
	write, err := sys.Reopen(int(read.Fd()), sys.OWronly|sys.ONonblock)
	if err != nil {
		return err
	}
	defer write.Close()
	if n, err := sys.Unread(int(read.Fd())); err == nil && n > 0 {
		r.Warn(r.object(f), fmt.Sprintf("somebody has written %d bytes to it already: they come before the saved ones", n))
	}
	return fillPipe(int(write.Fd()), r.Payload(c.Data), c)
}
