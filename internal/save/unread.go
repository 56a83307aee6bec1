package save

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// Nine tenths of a small process are code that it has in common with its files. The
// files still have it when the process runs again, unless somebody writes to them: if
// one is not what it was before the process was frozen, the save begins anew, and
// reads them while it stands still.

// errWrittenTo says that a file that is mapped was written to during the save.
type errWrittenTo struct{ path string }

func (e *errWrittenTo) Error() string {
	return fmt.Sprintf("%s, which is mapped, was written to while it was being saved", e.path)
}

// ReadAt is that of the file, whose end may have come nearer.
func (f *cleanFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	if err == io.EOF {
		err = &errWrittenTo{f.Name()}
	}
	return n, err
}

// settled is how long ago the last change of a file must be for the next one to be
// seen: file systems tell times apart by a hundredth of a second or better.
const settled = time.Second

// settle decides which files are to be read later: not those that were just changed.
// It gives the number of bytes that are mapped of them.
func (c cleanFiles) settle(subjects []*subject) (n uint64) {
	now := time.Now()
	for _, f := range c {
		f.later = now.Sub(time.Unix(0, max(f.stat.Mtime, f.stat.Ctime))) > settled
	}
	type part struct {
		of     *cleanFile
		offset uint64
	}
	seen := map[part]bool{}
	for _, s := range subjects {
		for i := range s.early {
			v := &s.early[i]
			if f := c[fileOf(v)]; f != nil && f.later && !seen[part{f, v.Offset}] {
				seen[part{f, v.Offset}] = true
				n += v.Size()
			}
		}
	}
	return n
}

// writtenTo is an error if one of the files is not what it was.
func (c cleanFiles) writtenTo() error {
	for _, f := range c {
		if st, err := sys.StatFD(int(f.Fd())); f.later && (err != nil || st.Mtime != f.stat.Mtime || st.Ctime != f.stat.Ctime || st.Size != f.stat.Size) {
			return &errWrittenTo{f.Name()}
		}
	}
	return nil
}

// leaveUnread takes out of the runs that are to be copied now those that files have as
// well.
func (m *member) leaveUnread() {
	m.unread.parts = nil
	for _, p := range m.cleanParts() {
		f := p.file.(*cleanFile)
		if !f.later || p.offset >= uint64(f.stat.Size) {
			continue
		}
		// The last page of a file may have only a part there.
		p.Len = min(p.Len, (uint64(f.stat.Size)-p.offset)&^(pageSize-1))
		var dirty []image.Run
		for _, d := range p.dirty {
			dirty = append(dirty, image.Run{Start: uint64(d.Start), Len: uint64(d.End - d.Start)})
		}
		clean := subtract(within(m.now, p.Run), dirty)
		m.unread.runs = append(m.unread.runs, clean...)
		m.unread.parts = append(m.unread.parts, p)
	}
	m.now = subtract(m.now, m.unread.runs)
}

// unread is what is left in files.
type unread struct {
	runs  []image.Run // each of them in one part
	parts []cleanPart // in order
}

func (u unread) ReadAt(b []byte, off int64) (int, error) {
	i, _ := slices.BinarySearchFunc(u.parts, uint64(off), partBehind)
	p := &u.parts[i]
	return p.file.ReadAt(b, int64(p.offset+uint64(off)-p.Start))
}

// copyUnread copies what was left in files to the image.
func (c *collector) copyUnread(ctx context.Context) error {
	left := false
	for _, m := range c.members {
		if len(m.unread.runs) == 0 {
			continue
		}
		left = true
		if err := m.copier(m.unread).copy(ctx, m.unread.runs); err != nil {
			return m.named(err)
		}
	}
	if !left {
		return nil
	}
	return c.before.clean.writtenTo()
}
