package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
)

// The most that is read of one file. Longer ones are an error: nothing that
// the kernel writes comes near, but a test or a FUSE mount may.
const (
	maxSmall   = 1 << 20 // files of one line or a few
	maxStrings = 1 << 26 // cmdline and environ; execve(2) allows 6 MiB
	maxList    = 1 << 30 // files with one line per object: maps, fdinfo, locks
	maxSmaps   = 1 << 33 // about 1 KB per mapping
	maxNames   = 1 << 22 // directory entries: pid_max is 4 Mi, descriptors rarely near
)

var errTooLarge = errors.New("file is too large")

// directory is the path of a directory in proc.
type directory string

func (d directory) path(name string) string { return filepath.Join(string(d), name) }

func (d directory) exists() bool {
	_, err := os.Lstat(string(d))
	return err == nil
}

// bytes reads a whole file of at most limit bytes.
func (d directory) bytes(name string, limit int64) ([]byte, error) {
	f, err := openText(d.path(name))
	if err != nil {
		return nil, d.explain(err)
	}
	defer f.Close()
	b, err := io.ReadAll(&cappedReader{r: f, left: limit})
	if err != nil {
		return nil, d.explain(fmt.Errorf("read %s: %w", f.path, err))
	}
	return b, nil
}

// text is a file of proc that is open. An os.File would be offered to the
// poller, which takes five more system calls for a file that never waits: half
// of the time that reading it takes.
type text struct {
	path string
	fd   int
}

func openText(path string) (*text, error) {
	for {
		fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		switch err {
		case nil:
			return &text{path, fd}, nil
		case syscall.EINTR:
		default:
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

func (t *text) Read(b []byte) (int, error) {
	for {
		n, err := syscall.Read(t.fd, b)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, err
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (t *text) Close() { _ = syscall.Close(t.fd) } // only read

// line reads a file of exactly one line.
func (d directory) line(name string) ([]byte, error) {
	b, err := d.bytes(name, maxSmall)
	if err != nil {
		return nil, err
	}
	text, ok := bytes.CutSuffix(b, []byte("\n"))
	if !ok {
		return nil, &ParseError{File: d.path(name), Line: 1, Reason: "no newline at the end"}
	}
	return text, nil
}

// numbers lists the directory's entries that are numbers, sorted. Others,
// there are none in task and fd, are an error.
func (d directory) numbers(name string) ([]int, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, d.explain(err)
	}
	defer f.Close()
	var list []int
	for {
		names, err := f.Readdirnames(1024)
		for _, s := range names {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 || strconv.Itoa(n) != s {
				return nil, fmt.Errorf("%s: unexpected entry %q", f.Name(), s)
			}
			list = append(list, n)
		}
		switch {
		case errors.Is(err, io.EOF):
			sort.Ints(list)
			return list, nil
		case err != nil:
			return nil, d.explain(err)
		case len(list) > maxNames:
			return nil, fmt.Errorf("%s: more than %d entries", f.Name(), maxNames)
		}
	}
}

// cappedReader fails with errTooLarge where io.LimitedReader would pretend
// that the file ends.
type cappedReader struct {
	r    io.Reader
	left int64
}

func (c *cappedReader) Read(b []byte) (int, error) {
	if c.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(b)) > c.left+1 {
		b = b[:c.left+1]
	}
	n, err := c.r.Read(b)
	c.left -= int64(n)
	if c.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
