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

// files are the open files of a process: those that descriptors refer to, and
// those that only mappings do.
type files struct {
	s     *subject
	pidfd int
	descs []*kind.Desc // one for each open file description; the index is OpenFile.ID
	table []image.Descriptor
	local map[int]*os.File // copies of descriptors, by number
}

func (s *subject) openFiles() (*files, error) {
	pidfd, err := sys.PidfdOpen(s.proc.PID)
	if err != nil {
		return nil, gonePidfd(s.proc.PID, err)
	}
	return &files{s: s, pidfd: pidfd, local: map[int]*os.File{}}, nil
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
	return syscall.Close(f.pidfd)
}

// listDescriptors finds the open file descriptions behind the descriptors.
func (f *files) listDescriptors() error {
	fds, err := f.s.proc.FDs()
	if err != nil {
		return err
	}
	type identity struct {
		dev, ino uint64
		link     string
	}
	seen := map[identity][]int{} // indexes into descs
	for _, fd := range fds {
		d, err := f.desc(fd)
		if errors.Is(err, os.ErrNotExist) {
			continue // closed meanwhile: the process is running
		} else if err != nil {
			return err
		}
		id := identity{d.Stat.Dev, d.Stat.Ino, d.Link}
		i := slices.IndexFunc(seen[id], func(i int) bool { return err == nil && f.same(fd, f.descs[i].FD, &err) })
		if err != nil {
			return fmt.Errorf("find out which descriptors share an open file: %w", err)
		}
		var file int
		if i >= 0 {
			file = seen[id][i]
		} else {
			file = len(f.descs)
			f.descs = append(f.descs, d)
			seen[id] = append(seen[id], file)
		}
		f.table = append(f.table, image.Descriptor{FD: fd, File: file, CloseOnExec: d.Info.Flags&sys.OCloexec != 0})
	}
	return nil
}

func (f *files) desc(fd int) (*kind.Desc, error) {
	d := &kind.Desc{PID: f.s.proc.PID, FD: fd}
	var err error
	if d.Link, err = f.s.proc.FDLink(fd); err != nil {
		return nil, err
	}
	info, err := f.s.proc.FDInfo(fd)
	if err != nil {
		return nil, err
	}
	d.Info = info
	d.Stat, err = sys.StatPath(f.s.proc.Path(fmt.Sprintf("fd/%d", fd)))
	return d, err
}

// same reports whether two descriptors share an open file description.
func (f *files) same(a, b int, err *error) bool {
	order, e := sys.KcmpFile(f.s.proc.PID, a, f.s.proc.PID, b)
	*err = e
	return e == nil && order == 0
}

// addMappings finds or adds the open file for every mapping that needs one.
func (f *files) addMappings(ms []mapping) {
	for i := range ms {
		m := &ms[i]
		if m.needsFile() {
			m.File = f.forMapping(m)
		}
	}
}

// forMapping returns the number of an open file that the mapping can be made
// from.
func (f *files) forMapping(m *mapping) int {
	write := m.Kind == image.SharedFile && m.HasFlag("mw")
	if m.vma.Deleted && !f.hasDescriptor(m.vma) && !f.canOpenMapped(m) {
		// Nobody can read the file but through the process's memory, and the
		// restore has to write it.
		m.Whole, write = true, true
	}
	sibling := -1
	for i, d := range f.descs {
		if !sameFile(d, m.vma) {
			continue
		}
		mode := int(d.Info.Flags) & (sys.OAccMode | sys.OPath)
		if mode == sys.ORdwr || mode == sys.ORdonly && !write {
			return i
		}
		if d.FD >= 0 {
			sibling = i
		}
	}
	d := &kind.Desc{PID: f.s.proc.PID, FD: -1, Link: m.vma.Path, Area: m.vma}
	if m.vma.Deleted {
		d.Link += " (deleted)"
	}
	if write {
		d.Info.Flags = sys.ORdwr
	}
	if sibling >= 0 {
		d.Stat = f.descs[sibling].Stat
	} else if st, err := sys.StatPath(f.s.proc.Path(fmt.Sprintf("map_files/%x-%x", m.Start, m.End))); err == nil {
		d.Stat = st // needs CAP_CHECKPOINT_RESTORE
	} else if st, err := sys.StatPath(m.vma.Path); err == nil && st.Ino == m.vma.Inode &&
		st.DevMajor == m.vma.DevMajor && st.DevMinor == m.vma.DevMinor {
		d.Stat = st
	}
	f.descs = append(f.descs, d)
	return len(f.descs) - 1
}

// hasDescriptor reports whether a descriptor leads to the mapped file.
func (f *files) hasDescriptor(v *proc.VMA) bool {
	return slices.ContainsFunc(f.descs, func(d *kind.Desc) bool { return d.FD >= 0 && sameFile(d, v) })
}

// sameFile reports whether a mapping is of the file behind d.
func sameFile(d *kind.Desc, v *proc.VMA) bool {
	if d.Area != nil { // it may have no Stat
		return d.Area.Inode == v.Inode && d.Area.DevMajor == v.DevMajor && d.Area.DevMinor == v.DevMinor
	}
	return d.Stat.Ino == v.Inode && d.Stat.DevMajor == v.DevMajor && d.Stat.DevMinor == v.DevMinor
}

// canOpenMapped reports whether we may open a mapped file by the kernel's own
// link to it, which needs CAP_CHECKPOINT_RESTORE (proc_pid_map_files(5)).
func (f *files) canOpenMapped(m *mapping) bool {
	file, err := os.Open(f.s.proc.Path(fmt.Sprintf("map_files/%x-%x", m.Start, m.End)))
	if err != nil {
		return false
	}
	return file.Close() == nil
}

// describe lets every open file be described by its kind. addPayload is nil
// while the process runs.
func (f *files) describe(pfs proc.FS, addPayload func(io.ReaderAt, int64, [][2]int64) (image.PayloadRef, error)) ([]image.OpenFile, error) {
	c := &kind.SaveContext{
		FS: pfs, PID: f.s.proc.PID, Frozen: addPayload != nil,
		Local: f.localCopy, AddPayload: addPayload, Warn: f.s.warn, All: f.descs,
	}
	out := make([]image.OpenFile, 0, len(f.descs))
	for i, d := range f.descs {
		of, err := kind.Describe(c, d)
		if err != nil {
			if err = f.s.note(err); err != nil {
				return nil, err
			}
			continue
		}
		of.ID = i
		out = append(out, *of)
	}
	return out, nil
}

// localCopy is SaveContext.Local.
func (f *files) localCopy(d *kind.Desc) (*os.File, error) {
	if d.FD < 0 {
		return f.mappedCopy(d)
	}
	if l := f.local[d.FD]; l != nil {
		return l, nil
	}
	fd, err := sys.PidfdGetfd(f.pidfd, d.FD)
	if err != nil {
		return nil, fmt.Errorf("copy descriptor %d of process %d: %w", d.FD, d.PID, err)
	}
	l := os.NewFile(uintptr(fd), d.Link)
	f.local[d.FD] = l
	return l, nil
}

// mappedCopy opens a file that only mappings refer to: through another open
// file of the same inode, or the kernel's own link to it.
func (f *files) mappedCopy(d *kind.Desc) (*os.File, error) {
	for _, other := range f.descs {
		if other.FD >= 0 && other.Stat.Dev == d.Stat.Dev && other.Stat.Ino == d.Stat.Ino && d.Stat.Ino != 0 {
			return f.localCopy(other)
		}
	}
	key := -1 - int(d.Area.Start>>12) // no descriptor has a negative number
	if l := f.local[key]; l != nil {
		return l, nil
	}
	l, err := os.Open(f.s.proc.Path(fmt.Sprintf("map_files/%x-%x", d.Area.Start, d.Area.End)))
	if err != nil {
		return nil, fmt.Errorf("open the file mapped at %#x of process %d: %w", d.Area.Start, d.PID, err)
	}
	f.local[key] = l
	return l, nil
}
