package kind

import (
	"fmt"
	"os"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// pipe is an end of a pipe(2) that the process has both ends of, or whose
// other end is closed everywhere. A pipe on 0, 1 or 2 that leads to somebody
// else is of kind stdio; any other that does can not be saved, because the
// restored process would be cut off without a word.
//
// What waits in the pipe is stored with its first read end.
type pipe struct{}

type pipeDetail struct {
	Size    int          `json:"size"` // capacity, bytes
	Content *pipeContent `json:"content,omitempty"`
}

func (pipe) Name() string { return "pipe" }

func (pipe) Match(d *Desc) bool { return isPipe(d) }

func isPipe(d *Desc) bool {
	return d.FD >= 0 && d.Stat.Mode&sys.ModeType == sys.ModeFIFO &&
		d.Link == fmt.Sprintf("pipe:[%d]", d.Stat.Ino)
}

func (pipe) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	ends := endsOf(c, d)
	if !ends.both() {
		alone, err := ends.alone(c, d)
		if err != nil {
			return fmt.Errorf("%s: %w", d.object(), err)
		}
		if n := ends.stdio(); !alone && n >= 0 {
			return saveStdio(c, d, f, n)
		}
		if !alone && !c.Frozen && c.anyInFlight() && holderOutside(c, d.Link) == "" {
			alone = true // in flight, perhaps: it is looked for when frozen
		}
		if !alone {
			return ledOutside(c, d)
		}
	} else if !c.Frozen {
		// Looking through all processes takes time, which a frozen process
		// has not got.
		if holder := holderOutside(c, d.Link); holder != "" {
			return &UnsupportedError{
				d.object(), "also open in " + holder + ", which is not saved with it",
				fmt.Sprintf("close it there; if it was only inherited, start the program with %d>&-", d.FD),
			}
		}
	}
	local, err := c.Local(d)
	if err != nil {
		return err
	}
	var det pipeDetail
	if det.Size, err = sys.PipeSize(int(local.Fd())); err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	if c.Frozen && len(ends.readers) > 0 && ends.readers[0] == d {
		if det.Content, err = savePipeContent(c, local); err != nil {
			return fmt.Errorf("%s: %w", d.object(), err)
		}
	}
	return setDetail(f, det)
}

func ledOutside(c *SaveContext, d *Desc) error {
	holder := holderOutside(c, d.Link)
	if holder == "" {
		holder = "another process"
	}
	return &UnsupportedError{
		d.object(), "its other end is in " + holder + ", which is not saved with it",
		fmt.Sprintf("use a named FIFO; if it was only inherited, start the program with %d>&-", d.FD),
	}
}

func (pipe) Remake(r *RestoreContext, f *image.OpenFile) error {
	file, err := remakePipeEnd(r, f)
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	r.Made(f, file)
	return nil
}

// remakePipeEnd opens the pipe once more for every end, by /proc/self/fd: that
// gives an open file of its own for any access mode.
func remakePipeEnd(r *RestoreContext, f *image.OpenFile) (*os.File, error) {
	det, err := detail[pipeDetail](f)
	if err != nil {
		return nil, err
	}
	own, err := Object(r, "pipe "+f.Path, func() (*ownPipe, error) { return r.newPipe(f, det.Size) })
	if err != nil {
		return nil, err
	}
	if det.Content != nil {
		if err := fillPipe(own.write(), r.Payload(det.Content.Data), det.Content); err != nil {
			return nil, err
		}
	}
	return sys.Reopen(own.read(), f.Flags&sys.OAccMode|sys.ONonblock)
}

// newPipe makes the pipe behind the ends. Its own two ends stay open until the
// execve, so that none of the others looks abandoned before.
func (r *RestoreContext) newPipe(f *image.OpenFile, size int) (*ownPipe, error) {
	p := &ownPipe{}
	var err error
	if p.r, p.w, err = sys.Pipe(); err != nil {
		return nil, err
	}
	r.Hold(p.r)
	r.Hold(p.w)
	if err := sys.SetPipeSize(p.write(), size); err != nil {
		r.Warn(r.object(f), fmt.Sprintf("its size stays what the user may have: %v", err))
	}
	return p, nil
}
