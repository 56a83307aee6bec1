package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// epoll is a set of descriptors that are waited for together, epoll(7). It is
// made in Go, but what is registered with it is added in the final process: a
// registration is known by its descriptor number, and one that was added under
// another can not be changed by the program (ENOENT, measured).
type epoll struct{}

type epollDetail struct {
	Targets []epollTarget `json:"targets"`
}

type epollTarget struct {
	FD     int    `json:"fd"` // the number it was registered under
	Events uint32 `json:"events"`
	Data   uint64 `json:"data"`

	// PID is the process with that number, where it is not the first one that
	// has the set.
	PID int `json:"pid,omitempty"`

	// From, if not nil, is a descriptor of the registered file: the number FD
	// was closed, or refers to another file by now.
	From *int `json:"from,omitempty"`
}

func (epoll) Name() string { return "epoll" }

func (epoll) Match(d *Desc) bool { return d.Link == "anon_inode:[eventpoll]" }

func (epoll) Save(c *SaveContext, d *Desc, f *image.OpenFile) error {
	det := epollDetail{Targets: []epollTarget{}}
	sameNumber := map[int]uint32{}
	for _, t := range d.Info.Epoll {
		slot := sys.EpollSlot{EpFD: uint32(d.FD), TFD: uint32(t.FD), Skip: sameNumber[t.FD]}
		sameNumber[t.FD]++
		target := epollTarget{FD: t.FD, Events: t.Events, Data: t.Data}
		pid, from, err := registered(c, d, t, slot)
		if err != nil {
			return err
		}
		if pid != d.process(c) {
			target.PID = pid
		}
		if from != t.FD {
			if err := mayBeLent(c, d, t.FD); err != nil {
				return err
			}
			target.From = &from
		}
		det.Targets = append(det.Targets, target)
	}
	return setDetail(f, det)
}

// registered finds a descriptor of the file that a registration is about. It
// is mostly t.FD itself, in a process that has the set; but a registration lives
// as long as the open file, so with a duplicate it outlives its number.
func registered(c *SaveContext, d *Desc, t proc.EpollTarget, slot sys.EpollSlot) (pid, fd int, err error) {
	home := d.process(c)
	object := fmt.Sprintf("fd %d (epoll)", d.FD)
	for _, pid := range d.processes(c) {
		is, err := sys.KcmpEpoll(pid, t.FD, d.PID, slot)
		if err == nil && is {
			return pid, t.FD, nil
		}
		switch {
		case errors.Is(err, syscall.ENOENT) && !c.Frozen:
			return home, t.FD, nil // deregistered since it was listed
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EINVAL):
			fd, err := registeredByInode(c, d, object, t)
			return home, fd, err
		case err != nil && !errors.Is(err, syscall.EBADF):
			return 0, 0, fmt.Errorf("%s: registration of fd %d: %w", object, t.FD, err)
		}
	}
	for _, o := range c.All {
		number := o.number(home)
		if number < 0 || o.Stat.Ino != t.Ino {
			continue
		}
		if is, err := sys.KcmpEpoll(home, number, d.PID, slot); err == nil && is {
			return home, number, nil
		}
	}
	if !c.Frozen {
		return home, t.FD, nil // perhaps only being closed
	}
	return 0, 0, notRegistered(object, t)
}

// registeredByInode is for kernels that can not compare: the number must still
// be of the same inode.
func registeredByInode(c *SaveContext, d *Desc, object string, t proc.EpollTarget) (int, error) {
	st, err := sys.StatPath(fmt.Sprintf("%s/fd/%d", c.FS.Process(d.process(c)).Dir(), t.FD))
	if err != nil || st.Ino != t.Ino || st.DevMajor != t.Dev>>20 || st.DevMinor != t.Dev&(1<<20-1) {
		return 0, notRegistered(object, t)
	}
	return t.FD, nil
}

func notRegistered(object string, t proc.EpollTarget) error {
	return &UnsupportedError{
		object, fmt.Sprintf("what was registered as fd %d is not open in this process any more", t.FD),
		"deregister it before it is closed",
	}
}

// mayBeLent refuses a number that would have to be closed for a moment at the
// restore, although its file has POSIX locks that this would lose.
func mayBeLent(c *SaveContext, d *Desc, number int) error {
	info, err := c.FS.Process(d.process(c)).FDInfo(number)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, l := range info.Locks {
		if l.Type == lockPOSIX {
			return &UnsupportedError{
				d.object(), fmt.Sprintf("fd %d was registered, then became another file, which is locked", number),
				"deregister it before it is closed",
			}
		}
	}
	return nil
}
