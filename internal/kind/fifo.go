package kind

import (
	"errors"
	"fmt"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// fifo is a named pipe, fifo(7), opened by its name and opened by it again. No
// open waits: where the program had a partner in a process that is not saved, that must be
// there again, if only waiting in its own open; else the restored program would
// be told of an end of file or a broken pipe that never was, so it is refused.
type fifo struct{}

type fifoDetail struct {
	Ino     uint64       `json:"ino"` // tells those without a name apart
	Mode    uint32       `json:"mode"`
	Size    int          `json:"size"` // capacity, bytes
	Content *pipeContent `json:"content,omitempty"`

	Partner bool `json:"partner,omitempty"` // the other end is in another process
	Quiet   bool `json:"quiet,omitempty"`   // no writer, but none came and went either: no POLLHUP
}

func (fifo) Name() string { return "fifo" }

func (fifo) Match(d *Desc) bool {
	return d.FD >= 0 && d.Stat.Mode&sys.ModeType == sys.ModeFIFO && !isPipe(d)
}

func (fifo) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	local, err := c.Local(d)
	if err != nil {
		return err
	}
	fd := int(local.Fd())
	ends := endsOf(c, d)
	det := fifoDetail{Ino: d.Stat.Ino, Mode: d.Stat.Mode & sys.ModePerm}
	if det.Size, err = sys.PipeSize(fd); err != nil {
		return fmt.Errorf("%s: %w", d.object(), err)
	}
	if !ends.both() {
		if err := det.lookForPartner(fd, d.access()); err != nil {
			return fmt.Errorf("%s: %w", d.object(), err)
		}
	}
	if _, deleted := proc.SplitDeleted(d.Link); deleted && det.Partner {
		return &UnsupportedError{d.object(), "its other end is in another process and its name is gone", "keep the name"}
	}
	if c.Frozen && len(ends.readers) > 0 && ends.readers[0] == d {
		if det.Content, err = savePipeContent(c, local); err != nil {
			return fmt.Errorf("%s: %w", d.object(), err)
		}
	}
	return setDetail(f, det)
}

// lookForPartner finds out whether another process has the other end open.
func (det *fifoDetail) lookForPartner(fd, access int) error {
	ready, err := sys.Poll(fd)
	if err != nil {
		return err
	}
	if access == sys.OWronly {
		det.Partner = !ready.Err
		return nil
	}
	if ready.Hup {
		return nil
	}
	writer, err := hasWriter(fd)
	det.Partner, det.Quiet = writer, !writer
	return err
}

// hasWriter reports whether anybody can write to the FIFO behind the read end
// in: poll(2) does not tell of one that never had a writer. What is in it came
// from somebody, so it counts as a writer.
func hasWriter(in int) (bool, error) {
	var own ownPipe
	own.size = pipePage
	if err := own.open(); err != nil {
		return false, err
	}
	defer own.close()
	n, err := sys.Tee(in, own.write(), 1)
	if errors.Is(err, syscall.EAGAIN) {
		return true, nil
	}
	return n > 0, err
}
