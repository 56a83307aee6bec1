package kind

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ckpt/internal/sys"
)

// cut is a file that is going to be cut back to its saved length, with what is
// behind kept in another file beside it.
type cut struct {
	file *os.File // open for reading and writing
	path string
	size int64  // what is left of it
	end  int64  // its length today
	tail string // where the rest went
}

// newCut makes sure, as far as one can know without doing it, that the file can
// be cut; otherwise obstacle says why not. It must come before this process
// opens the file for anything else, see holderOf.
func newCut(path string, size int64, st Stat) (c *cut, obstacle string) {
	file, err := sys.OpenFile(path, sys.ORdwr|sys.ONonblock, 0)
	if err != nil {
		return nil, "what is behind can not be kept: " + err.Error()
	}
	if holder := holderOf(path, int(file.Fd())); holder != "" {
		_ = file.Close()
		return nil, holder + " has it open"
	}
	if err := sys.AccessWrite(filepath.Dir(path)); err != nil {
		_ = file.Close()
		return nil, "what is behind can not be kept beside it: " + err.Error()
	}
	return &cut{file: file, path: path, size: size, end: st.Size}, ""
}

// do cuts the file. If it fails everything is as it was.
func (c *cut) do() (err error) {
	st, err := sys.StatFD(int(c.file.Fd()))
	if err != nil {
		return err
	}
	if st.Size != c.end {
		return fmt.Errorf("it is being written to: %d bytes a moment ago, %d now", c.end, st.Size)
	}
	tail, err := createBeside(c.path, st.Mode)
	if err != nil {
		return err
	}
	defer tail.Close()
	c.tail = tail.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(c.tail))
		}
	}()
	if err := copyTail(tail, 0, c.file, c.size, c.end); err != nil {
		return fmt.Errorf("keep what is behind in %s: %w", c.tail, err)
	}
	// Only what is safely on disk may be cut off.
	if err := tail.Sync(); err != nil {
		return fmt.Errorf("keep what is behind in %s: %w", c.tail, err)
	}
	return c.file.Truncate(c.size)
}

// undo puts the tail back. If that fails the tail stays where it is, and the
// error says so.
func (c *cut) undo() error {
	tail, err := sys.OpenFile(c.tail, sys.ORdonly, 0)
	if err != nil {
		return err
	}
	defer tail.Close()
	if err := copyTail(c.file, c.size, tail, 0, c.end-c.size); err != nil {
		return fmt.Errorf("%s was cut back and what was behind is in %s: %w", c.path, c.tail, err)
	}
	return os.Remove(c.tail)
}

// copyTail copies bytes [from, end) of src to dst at to, and leaves out holes.
func copyTail(dst *os.File, to int64, src *os.File, from, end int64) error {
	if err := dst.Truncate(to + end - from); err != nil {
		return err
	}
	extents, err := sys.DataExtents(int(src.Fd()), end)
	if err != nil {
		return err
	}
	for _, e := range extents {
		start := max(e[0], from)
		if e[0]+e[1] <= start {
			continue
		}
		n := e[0] + e[1] - start
		w := io.NewOffsetWriter(dst, to+start-from)
		if m, err := io.Copy(w, io.NewSectionReader(src, start, n)); err != nil || m != n {
			return errors.Join(err, fmt.Errorf("copied %d of %d bytes", m, n))
		}
	}
	return nil
}

// maxTails bounds the search for a name that is still free.
const maxTails = 10000

// createBeside creates PATH.ckpt-tail-N with the permissions of the file, N
// being the first number that is free.
func createBeside(path string, mode uint32) (*os.File, error) {
	for n := 1; n <= maxTails; n++ {
		name := fmt.Sprintf("%s.ckpt-tail-%d", path, n)
		file, err := sys.OpenFile(name, sys.ORdwr|sys.OCreat|sys.OExcl|sys.ONofollow, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := file.Chmod(fs.FileMode(mode & 0o777)); err != nil {
			_ = file.Close()
			return nil, errors.Join(err, os.Remove(name))
		}
		return file, nil
	}
	return nil, fmt.Errorf("%d files %s.ckpt-tail-N are there already: remove those you do not need", maxTails, path)
}
