package kind

import (
	"fmt"
	"slices"
	"strings"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// pidfd refers to a process, pidfd_open(2): one of those that are saved. If this
// process becomes it by an execve, that keeps what is opened here. Else it is
// opened when the process is there.
type pidfd struct{}

type pidfdDetail struct {
	PID    int  `json:"pid"`              // as it was when it was saved
	Thread bool `json:"thread,omitempty"` // PIDFD_THREAD: of its first thread
}

func (pidfd) Name() string { return "pidfd" }

func (pidfd) Match(d *Desc) bool {
	return d.FD >= 0 && (d.Link == "anon_inode:[pidfd]" || strings.HasPrefix(d.Link, "pidfd:["))
}

func (pidfd) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	object := d.named("pidfd")
	if d.Info.PidFD == nil {
		return &UnsupportedError{object, "the kernel does not tell what process it refers to", "close it before saving"}
	}
	pid := d.Info.PidFD.PID
	switch {
	case pid < 0:
		return &UnsupportedError{object, "it refers to a process that has ended", "close it before saving"}
	case pid == 0:
		return &UnsupportedError{object, "it refers to a process of another pid namespace", "close it before saving"}
	case !slices.Contains(c.PIDs, pid):
		return &UnsupportedError{object, "it refers to " + processName(pid) + ", which is not saved with it", "close it before saving"}
	}
	return setDetail(f, pidfdDetail{PID: pid, Thread: f.Flags&sys.PidfdThread != 0})
}

func (pidfd) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[pidfdDetail](f)
	if err != nil {
		return err
	}
	pid, ok := r.NewPID(det.PID)
	if !ok {
		return fmt.Errorf("%s: %w: process %d is not part of it", r.object(f), image.ErrCorrupt, det.PID)
	}
	if r.PIDs != nil {
		flags := f.Flags & sys.ONonblock // PIDFD_NONBLOCK
		if det.Thread {
			flags |= sys.PidfdThread
		}
		r.Late(f, func(b *plan.Builder, fd plan.Slot) {
			b.Call(fmt.Sprintf("open process %d", pid), abi.SysPidfdOpen, plan.Int(pid), plan.Int(flags)).Store(fd)
		})
		return nil
	}
	file, err := sys.OpenProcess(pid, det.Thread)
	if err != nil {
		return fmt.Errorf("%s: process %d: %w", r.object(f), pid, err)
	}
	r.Made(f, file)
	return nil
}
