package save

import (
	"os"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/kind"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// addMappings finds or adds the open file for every mapping of s that needs one.
func (f *files) addMappings(s *subject, ms []mapping) {
	for i := range ms {
		m := &ms[i]
		if m.needsFile() {
			m.File = f.forMapping(s, m)
		}
	}
}

// forMapping returns the number of an open file that the mapping can be made
// from.
func (f *files) forMapping(s *subject, m *mapping) int {
	write := m.Kind == image.SharedFile && m.HasFlag("mw")
	if m.vma.Deleted && !f.hasDescriptor(m.vma) && !canOpenMapped(s, m) {
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
	d := &kind.Desc{PID: s.proc.PID, FD: -1, Link: m.vma.Path, Area: m.vma}
	if m.vma.Deleted {
		d.Link += " (deleted)"
	}
	if write {
		d.Info.Flags = sys.ORdwr
	}
	if sibling >= 0 {
		d.Stat = f.descs[sibling].Stat
	} else if st, err := sys.StatPath(s.proc.MapFile(uint64(m.Start), uint64(m.End))); err == nil {
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
// link to it.
func canOpenMapped(s *subject, m *mapping) bool {
	file, err := os.Open(s.proc.MapFile(uint64(m.Start), uint64(m.End)))
	if err != nil {
		return false
	}
	return file.Close() == nil
}
