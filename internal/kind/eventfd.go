package kind

import (
	"encoding/binary"
	"fmt"
	"os"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// eventfd is an event counter, eventfd(2).
type eventfd struct{}

type eventfdDetail struct {
	Count     uint64 `json:"count"`
	Semaphore bool   `json:"semaphore,omitempty"`
}

func (eventfd) Name() string { return "eventfd" }

func (eventfd) Match(d *Desc) bool { return d.Link == "anon_inode:[eventfd]" }

func (eventfd) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	e := d.Info.EventFD
	if e == nil {
		return &UnsupportedError{d.object(), "the kernel does not tell its count", ""}
	}
	det := eventfdDetail{Count: e.Count, Semaphore: e.Semaphore}
	if !e.Told && c.Frozen {
		local, err := c.Local(d)
		if err != nil {
			return err
		}
		if det.Semaphore, err = isSemaphore(local, e.Count); err != nil {
			return fmt.Errorf("%s: %w", d.object(), err)
		}
	}
	return setDetail(f, det)
}

// isSemaphore finds out whether an eventfd was made with EFD_SEMAPHORE, which
// kernels before 6.5 do not tell: then a read takes 1 of a count, else all of
// it. The count is put back. Precondition: whoever else has it open stands
// still.
func isSemaphore(f *os.File, count uint64) (bool, error) {
	if count < 2 {
		if err := addCount(f, 2); err != nil {
			return false, err
		}
	}
	var b [8]byte
	if _, err := sys.Read(int(f.Fd()), b[:]); err != nil {
		return false, err
	}
	taken := binary.NativeEndian.Uint64(b[:])
	switch {
	case taken > 1 && count > 0:
		return false, addCount(f, count)
	case taken > 1:
		return false, nil
	case count >= 2:
		return true, addCount(f, 1)
	}
	_, err := sys.Read(int(f.Fd()), b[:])
	return true, err
}

func addCount(f *os.File, n uint64) error {
	_, err := sys.Write(int(f.Fd()), binary.NativeEndian.AppendUint64(nil, n))
	return err
}

func (eventfd) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[eventfdDetail](f)
	if err != nil {
		return err
	}
	file, err := sys.CreateEventfd(det.Semaphore)
	if err != nil {
		return fmt.Errorf("%s: %w", r.object(f), err)
	}
	if det.Count > 0 {
		if err := addCount(file, det.Count); err != nil {
			file.Close()
			return fmt.Errorf("%s: count %d: %w", r.object(f), det.Count, err)
		}
	}
	r.Made(f, file)
	return nil
}
