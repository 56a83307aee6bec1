package kind

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

func (epoll) Remake(r *RestoreContext, f *image.OpenFile) error {
	det, err := detail[epollDetail](f)
	if err != nil {
		return err
	}
	object := r.object(f)
	var targets []epollTarget
	for _, t := range det.Targets {
		if ok, err := r.canRegister(f, object, t); err != nil {
			return err
		} else if ok {
			targets = append(targets, t)
		}
	}
	file, err := sys.EpollCreate()
	if err != nil {
		return fmt.Errorf("%s: %w", object, err)
	}
	r.Made(f, file)
	for i := range r.Manifest.Processes {
		p := &r.Manifest.Processes[i]
		own := slices.DeleteFunc(slices.Clone(targets), func(t epollTarget) bool { return r.registrar(f, t) != p })
		if len(own) == 0 {
			continue
		}
		r.Final(p, f, func(b *plan.Builder, fds []int) error {
			s := epollSet{b: b, fd: fds[0], object: object, process: p}
			// The disabled ones first, see addDisabled.
			for _, t := range own {
				if t.disabled() {
					s.addDisabled(t, r.fileAt(p, t.FD) != nil)
				}
			}
			for _, t := range own {
				if !t.disabled() {
					s.add(t, r.fileAt(p, t.FD) != nil)
				}
			}
			return nil
		})
	}
	return nil
}

// registrar is the process that makes a registration, nil if it is not in the
// image.
func (r *RestoreContext) registrar(f *image.OpenFile, t epollTarget) *image.Process {
	if t.PID != 0 {
		return r.member(t.PID)
	}
	return r.Home(f)
}

// canRegister tells beforehand what epoll_ctl would refuse: a terminal or pipe
// of 0, 1 and 2 can be a plain file in the restart, which can always be read
// and is refused.
func (r *RestoreContext) canRegister(f *image.OpenFile, object string, t epollTarget) (bool, error) {
	number := t.FD
	if t.From != nil {
		number = *t.From
	}
	p := r.registrar(f, t)
	if p == nil || p != r.Home(f) && len(r.NumbersIn(p, f)) == 0 {
		return false, fmt.Errorf("%s: %w: process %d registered fd %d", object, image.ErrCorrupt, t.PID, number)
	}
	target := r.fileAt(p, number)
	if target == nil {
		return false, fmt.Errorf("%s: registered fd %d is not in the image", object, number)
	}
	own := r.takenFrom(target, number)
	if own == nil {
		return true, nil
	}
	probe, err := sys.EpollCreate()
	if err != nil {
		return false, err
	}
	defer probe.Close()
	err = sys.EpollAdd(int(probe.Fd()), int(own.Fd()), 0, 0)
	if errors.Is(err, syscall.EPERM) {
		r.Warn(object, fmt.Sprintf("fd %d is a file now, which can not be waited for: left out", number))
		return false, nil
	}
	return true, nil
}

// disabled reports whether t has EPOLLONESHOT and has fired.
func (t epollTarget) disabled() bool {
	return t.Events&^sys.EpollPrivate == 0 && t.Events&sys.EpollOneshot != 0
}

// epollSet adds registrations to a set in the final process.
type epollSet struct {
	b       *plan.Builder
	fd      int
	object  string
	process *image.Process
}

func imm(n int) plan.Arg { return plan.Imm(uint64(n)) }

// add registers t. A registration whose number was closed gets its number for
// a moment; one whose number refers to another file, too, while that waits at
// a number of its own. (Save makes sure that this costs no POSIX lock, which
// closing any descriptor of a file would.)
func (s epollSet) add(t epollTarget, occupied bool) {
	what := fmt.Sprintf("register fd %d with %s", t.FD, s.object)
	b, number := s.b, imm(t.FD)
	register := func() {
		b.Call(what, abi.SysEpollCtl, imm(s.fd), plan.Imm(sys.EpollCtlAdd), number,
			b.Data(sys.EpollEventBytes(t.Events, t.Data)))
	}
	if t.From == nil {
		register()
		return
	}
	aside := b.Slot()
	defer b.Free(aside)
	if occupied {
		b.Call(what+": put fd aside", abi.SysDup, number).Store(aside)
	}
	b.Call(what+": lend the number", abi.SysDup2, imm(*t.From), number)
	register()
	if !occupied {
		b.Call(what+": close the number", abi.SysClose, number)
		return
	}
	flags := 0
	if closeOnExec(s.process, t.FD) {
		flags = sys.OCloexec
	}
	b.Call(what+": put fd back", abi.SysDup3, plan.Arg{Slot: aside}, number, imm(flags))
	b.Call(what+": close the copy", abi.SysClose, plan.Arg{Slot: aside})
}

// addDisabled registers t as it is after it has fired. The kernel adds EPOLLERR
// and EPOLLHUP to whatever is registered, so that it may be ready at once: then
// taking that event disables it. Nothing else is in the set that could be taken
// instead. If it is not ready, an error or hangup that comes later will be
// reported, though it would not have been before.
func (s epollSet) addDisabled(t epollTarget, occupied bool) {
	s.add(t, occupied)
	s.b.Call(fmt.Sprintf("disable fd %d in %s", t.FD, s.object), abi.SysEpollWait,
		imm(s.fd), s.b.Reserve(sys.EpollEventSize), plan.Imm(1), plan.Imm(0))
}
