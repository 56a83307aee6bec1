package save

import (
	"io"
	"os"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// Pages of a private mapping that the process has not written to are those of the
// page cache. A small process is mostly such pages, of the code of libraries, and
// reading their file takes a sixth of the time of /proc/PID/mem, which looks up each
// page and copies it twice.

// cleanFiles are such files, opened before the processes are frozen.
type cleanFiles map[mappedFile]*cleanFile

// cleanFile is one of them.
type cleanFile struct {
	*os.File
	stat  sys.FileStat // when it was opened
	later bool         // see leaveUnread
}

// cleanLeast is what a mapping has to have for its file to be worth opening, in bytes.
const cleanLeast = 64 << 10

// openClean opens what is mapped, as far as it may be.
func openClean(subjects []*subject) cleanFiles {
	c := cleanFiles{}
	for _, s := range subjects {
		for i := range s.early {
			v := &s.early[i]
			if kindOf(v) == image.PrivateFile && !v.Write && v.Size() >= cleanLeast && c[fileOf(v)] == nil {
				if f := openCleanFile(s.proc, v); f != nil {
					c[fileOf(v)] = f
				}
			}
		}
	}
	return c
}

// openCleanFile opens the file of a mapping, or gives nil. The kernel's own link needs
// CAP_CHECKPOINT_RESTORE; what is at the path may be another file.
func openCleanFile(p proc.Process, v *proc.VMA) *cleanFile {
	for _, path := range []string{p.MapFile(v.Start, v.End), v.Path} {
		if st, err := sys.StatPath(path); err != nil || !isFileOf(st, v) {
			continue
		}
		f, err := sys.OpenFile(path, sys.ORdonly|sys.ONonblock, 0)
		if err != nil {
			continue
		}
		// Two paths may have led to two files.
		if st, err := sys.StatFD(int(f.Fd())); err == nil && isFileOf(st, v) && readsAsMapped(f) {
			return &cleanFile{File: f, stat: st}
		}
		_ = f.Close() // only looked at
	}
	return nil
}

// isFileOf reports whether a mapping is of that regular file.
func isFileOf(st sys.FileStat, v *proc.VMA) bool {
	return st.Mode&sys.ModeType == sys.ModeRegular && fileOf(v) == mappedFile{st.DevMajor, st.DevMinor, st.Ino}
}

// readsAsMapped reports whether the file is on a file system that is known to read
// from the pages that it maps. A network may have changed the file meanwhile, and
// overlayfs goes on mapping what was there before the first write.
func readsAsMapped(f *os.File) bool {
	magic, err := sys.FSMagic(sys.FDPath(int(f.Fd())))
	return err == nil && sys.IsPageCacheFS(magic)
}

func (c cleanFiles) Close() {
	for _, f := range c {
		_ = f.Close() // only read
	}
}

// cleanMemory is the memory of a frozen process, of which parts are read from files.
type cleanMemory struct {
	mem   io.ReaderAt
	parts []cleanPart // in order
}

// cleanPart is a mapping of such a file.
type cleanPart struct {
	image.Run
	file   io.ReaderAt
	offset uint64
	dirty  []image.AddrRange // what the process has pages of its own of
}

// withFiles is the memory of the process as mem shows it.
func (m *member) withFiles(mem io.ReaderAt) io.ReaderAt {
	return cleanMemory{mem, m.cleanParts()}
}

// cleanParts are the mappings of such files.
func (m *member) cleanParts() (parts []cleanPart) {
	for i := range m.mappings {
		v := m.mappings[i].vma
		f := m.c.before.clean[fileOf(v)]
		a := areaAt(m.p.Areas, v.Start)
		if f != nil && a != nil && a.Kind == image.PrivateFile && a.Whole {
			parts = append(parts, cleanPart{image.Run{Start: v.Start, Len: v.Size()}, f, v.Offset, a.Dirty})
		}
	}
	return parts
}

// ReadAt reads from a file if it has all of b, and from the process otherwise: what
// is behind the end of the file is no business of the file's.
func (c cleanMemory) ReadAt(b []byte, off int64) (int, error) {
	start, end := uint64(off), uint64(off)+uint64(len(b))
	i, _ := slices.BinarySearchFunc(c.parts, start, partBehind)
	if i == len(c.parts) || c.parts[i].Start > start || c.parts[i].Start+c.parts[i].Len < end {
		return c.mem.ReadAt(b, off)
	}
	p := &c.parts[i]
	if n, _ := p.file.ReadAt(b, int64(p.offset+start-p.Start)); n < len(b) {
		return c.mem.ReadAt(b, off)
	}
	for _, d := range p.dirty {
		if from, to := max(uint64(d.Start), start), min(uint64(d.End), end); from < to {
			if _, err := c.mem.ReadAt(b[from-start:to-start], int64(from)); err != nil {
				return c.mem.ReadAt(b, off) // and tells what is wrong, and where
			}
		}
	}
	return len(b), nil
}

// partBehind is for the search for the first part that ends behind an address.
func partBehind(p cleanPart, at uint64) int {
	if p.Start+p.Len <= at {
		return -1
	}
	return 1
}

// codeFiles is the memory of a process that runs, with its code as the files have it:
// what it has changed there is not seen. Each file is opened when it is read from.
func codeFiles(p proc.Process, mem io.ReaderAt, vmas []proc.VMA) cleanMemory {
	c := cleanMemory{mem: mem}
	for i := range vmas {
		if v := &vmas[i]; v.Exec && kindOf(v) == image.PrivateFile {
			c.parts = append(c.parts, cleanPart{
				Run: image.Run{Start: v.Start, Len: v.Size()}, offset: v.Offset,
				file: &lateFile{open: func() *cleanFile { return openCleanFile(p, v) }},
			})
		}
	}
	return c
}

// lateFile is a file that is opened when it is read from.
type lateFile struct {
	open   func() *cleanFile // nil: it was tried
	opened *cleanFile        // nil: it can not be
}

func (l *lateFile) ReadAt(b []byte, off int64) (int, error) {
	if l.open != nil {
		l.opened, l.open = l.open(), nil
	}
	if l.opened == nil {
		return 0, os.ErrNotExist
	}
	return l.opened.ReadAt(b, off)
}

// Close closes the files that were opened.
func (c cleanMemory) Close() {
	for _, p := range c.parts {
		if l, ok := p.file.(*lateFile); ok && l.opened != nil {
			_ = l.opened.Close() // only read
		}
	}
}
