package save

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// files are the open files of all processes that are saved together: those that
// descriptors refer to, those that only mappings do, and those that wait in a
// socket to be received.
type files struct {
	subjects []*subject
	tables   []*table
	descs    []*kind.Desc // one for each open file description; the index is OpenFile.ID
	seen     map[identity][]int
	local    map[place]*os.File // copies of descriptors and of mapped files
}

// table is the descriptor table of one of the processes.
type table struct {
	s     *subject
	pidfd int
	list  []image.Descriptor
}

// place is where a process refers to a file: a descriptor, or a mapping.
type place struct {
	pid, fd int
	mapped  uint64 // address, of a mapping
}

func openFiles(subjects ...*subject) (*files, error) {
	f := &files{subjects: subjects, seen: map[identity][]int{}, local: map[place]*os.File{}}
	for _, s := range subjects {
		if s.zombie || s.shares.Descriptors != 0 {
			continue
		}
		pidfd, err := s.pidfd()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		f.tables = append(f.tables, &table{s: s, pidfd: pidfd})
	}
	return f, nil
}

// pidfd opens the process for its descriptors, which a thread that lives leads
// to.
func (s *subject) pidfd() (int, error) {
	open := sys.PidfdOpen
	if s.leaderDead {
		open = sys.PidfdOpenThread // kernel 6.9
	}
	fd, err := open(s.proc.PID)
	if errors.Is(err, syscall.EINVAL) {
		return -1, &RefusedError{s.name(), []Finding{{Object: "process", Reason: "has lost its first thread, and this kernel does not let its files be reached then"}}}
	}
	if err != nil {
		return -1, gonePidfd(s.pid, err)
	}
	return fd, nil
}

func gonePidfd(pid int, err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("process %d: %w", pid, ErrNoProcess)
	}
	return err
}

func (f *files) Close() error {
	for _, l := range f.local {
		_ = l.Close() // only looked at
	}
	var errs []error
	for _, t := range f.tables {
		errs = append(errs, syscall.Close(t.pidfd))
	}
	return errors.Join(errs...)
}

// descriptors are those of one of the processes.
func (f *files) descriptors(s *subject) []image.Descriptor {
	for _, t := range f.tables {
		if t.s == s {
			return t.list
		}
	}
	return nil
}

// listDescriptors finds the open file descriptions behind the descriptors of
// all processes.
func (f *files) listDescriptors() error {
	descs := make([][]*kind.Desc, len(f.tables))
	errs := spread(len(f.tables), 1, func(i int) (err error) {
		descs[i], err = f.tables[i].describe()
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, t := range f.tables {
		for _, d := range descs[i] {
			if err := f.addDescriptor(t, d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *files) addDescriptor(t *table, d *kind.Desc) error {
	if (d.Link == markerLink || d.Link == userfaultfdLink) && slices.Contains(t.s.ourFDs(), d.FD) {
		return nil
	}
	file, err := f.add(d)
	if err == nil {
		t.list = append(t.list, image.Descriptor{FD: d.FD, File: file, CloseOnExec: d.Info.Flags&sys.OCloexec != 0})
	}
	return err
}

// describe says what the descriptors of the table are.
func (t *table) describe() (all []*kind.Desc, err error) {
	fds := t.s.fds
	if !t.s.still || fds == nil {
		if fds, err = t.s.proc.FDs(); err != nil {
			return nil, err
		}
	}
	for _, fd := range fds {
		d, err := describeFD(t.s.proc, fd)
		if errors.Is(err, os.ErrNotExist) {
			continue // closed meanwhile: the process is running
		} else if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func describeFD(p proc.Process, fd int) (*kind.Desc, error) {
	d := &kind.Desc{PID: p.PID, FD: fd}
	var err error
	if d.Link, err = p.FDLink(fd); err != nil {
		return nil, err
	}
	info, err := p.FDInfo(fd)
	if err != nil {
		return nil, err
	}
	d.Info = info
	path := p.Path(fmt.Sprintf("fd/%d", fd))
	if d.Stat, err = sys.StatPath(path); err == nil && d.Stat.Mode&sys.ModeType == sys.ModeSocket {
		d.Protocol = sys.SocketProtocol(path)
	}
	return d, err
}

// describe lets every open file be described by its kind. addPayload is nil
// while the processes run.
func (f *files) describe(k *kin, addPayload func(io.ReaderAt, int64, [][2]int64) (image.PayloadRef, error)) ([]image.OpenFile, error) {
	var of *subject // whose file is described
	c := &kind.SaveContext{
		FS: k.fs, Frozen: addPayload != nil, Given: k.given,
		Local: f.localCopy, AddPayload: addPayload, Found: f.found, All: f.descs,
		Warn: func(object, text string) { of.warn(object, text) },
	}
	for _, s := range f.subjects {
		c.PIDs = append(c.PIDs, s.proc.PID)
	}
	if c.Frozen {
		for i := 0; i < len(f.descs); i++ {
			of = f.owner(f.descs[i])
			if err := kind.Find(c, f.descs[i]); err != nil {
				return nil, err
			}
			c.All = f.descs
		}
	}
	out := make([]image.OpenFile, 0, len(f.descs))
	for i, d := range f.descs {
		of = f.owner(d)
		file, err := kind.Describe(c, d)
		if err != nil {
			if err = of.note(err); err != nil {
				return nil, err
			}
			continue
		}
		file.ID = i
		out = append(out, *file)
	}
	return out, nil
}

// owner is the first process that has the file; what is in flight counts as the
// root's.
func (f *files) owner(d *kind.Desc) *subject {
	for _, s := range f.subjects {
		if s.proc.PID == d.PID {
			return s
		}
	}
	return f.subjects[0]
}

// found is SaveContext.Found.
func (f *files) found(local *os.File) (int, error) {
	d, err := describeFD(proc.Host().Process(os.Getpid()), int(local.Fd()))
	if err != nil {
		return 0, errors.Join(err, local.Close())
	}
	id, err := f.add(d)
	if err != nil || f.descs[id] != d {
		return id, errors.Join(err, local.Close())
	}
	d.InFlight = local
	f.local[place{pid: d.PID, fd: d.FD}] = local // closed with the others
	return id, nil
}

// localCopy is SaveContext.Local.
func (f *files) localCopy(d *kind.Desc) (*os.File, error) {
	if d.InFlight != nil {
		return d.InFlight, nil
	}
	if d.FD < 0 {
		return f.mappedCopy(d)
	}
	at := place{pid: d.PID, fd: d.FD}
	if l := f.local[at]; l != nil {
		return l, nil
	}
	i := slices.IndexFunc(f.tables, func(t *table) bool { return t.s.proc.PID == d.PID })
	if i < 0 {
		return nil, fmt.Errorf("copy descriptor %d of process %d: %w", d.FD, d.PID, ErrNoProcess)
	}
	fd, err := sys.PidfdGetfd(f.tables[i].pidfd, d.FD)
	if err != nil {
		return nil, notCopied(d, err)
	}
	l := os.NewFile(uintptr(fd), d.Link)
	f.local[at] = l
	return l, nil
}

// notCopied explains why a descriptor could not be copied.
func notCopied(d *kind.Desc, err error) error {
	refused := &kind.UnsupportedError{Object: fmt.Sprintf("fd %d (%s)", d.FD, d.Link)}
	switch {
	case errors.Is(err, syscall.ENOSYS):
		refused.Reason, refused.Advice = "this kernel can not copy it to be looked at (pidfd_getfd)", "use Linux 5.6 or later"
	case errors.Is(err, syscall.EPERM):
		refused.Reason, refused.Advice = "it may not be copied to be looked at (pidfd_getfd): a security module or a container forbids it", "run ckpt as root, or outside of the container"
	default:
		return fmt.Errorf("copy descriptor %d of process %d: %w", d.FD, d.PID, err)
	}
	return refused
}

// mappedCopy opens a file that only mappings refer to: through another open
// file of the same inode, or the kernel's own link to it.
func (f *files) mappedCopy(d *kind.Desc) (*os.File, error) {
	for _, other := range f.descs {
		if other.FD >= 0 && other.Stat.Dev == d.Stat.Dev && other.Stat.Ino == d.Stat.Ino && d.Stat.Ino != 0 {
			return f.localCopy(other)
		}
	}
	at := place{pid: d.PID, fd: -1, mapped: d.Area.Start}
	if l := f.local[at]; l != nil {
		return l, nil
	}
	l, err := os.Open(fmt.Sprintf("/proc/%d/map_files/%x-%x", d.PID, d.Area.Start, d.Area.End))
	if err != nil {
		return nil, fmt.Errorf("open the file mapped at %#x of process %d: %w", d.Area.Start, d.PID, err)
	}
	f.local[at] = l
	return l, nil
}
