package proc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxLine is the longest line in bytes. The longest there are: Groups in
// status (65536 ids) and the options of an overlay mount.
const maxLine = 1 << 20

var errUnterminated = errors.New("last line has no newline")

// lines hands out a file line by line from one buffer.
type lines struct {
	name string // of the file, for errors
	n    int    // number of the current line, from 1
	text []byte // the current line without its newline; valid until next
	s    *bufio.Scanner
}

func newLines(r io.Reader, name string, limit int64) *lines {
	l := &lines{name: name, s: bufio.NewScanner(&cappedReader{r: r, left: limit})}
	l.s.Buffer(nil, maxLine)
	l.s.Split(splitLine)
	return l
}

// splitLine is bufio.ScanLines without its indulgence: a carriage return
// belongs to the line, and a line that does not end was cut off.
func splitLine(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errUnterminated
	}
	return 0, nil, nil
}

// next goes to the next line; false is the end or a read error.
func (l *lines) next() bool {
	ok := l.s.Scan()
	l.text = l.s.Bytes()
	l.n++
	return ok
}

// errorf is an error at the current line.
func (l *lines) errorf(format string, args ...any) error {
	return &ParseError{File: l.name, Line: l.n, Reason: fmt.Sprintf(format, args...)}
}

// bad is the error for a line that is not as it should be.
func (l *lines) bad(what string) error {
	const enough = 120
	text, more := l.text, ""
	if len(text) > enough {
		text, more = text[:enough], "..."
	}
	return l.errorf("bad %s in %q%s", what, text, more)
}

// lineBuffers are for the lines of files: to look at a process takes dozens, and the
// kernel needs longer to give memory than to write most of them.
var lineBuffers = sync.Pool{New: func() any { b := make([]byte, 4096); return &b }}

// parseFile runs parse over a file of d. An error while reading counts before
// what the parser thinks of the text that it did get.
func parseFile[T any](d directory, name string, limit int64, parse func(*lines) (T, error)) (T, error) {
	var zero T
	f, err := openText(d.path(name))
	if err != nil {
		return zero, d.explain(err)
	}
	defer f.Close()
	l := newLines(f, f.path, limit)
	buf := lineBuffers.Get().(*[]byte)
	defer lineBuffers.Put(buf)
	l.s.Buffer(*buf, maxLine)
	v, err := parse(l)
	if rerr := l.s.Err(); rerr != nil {
		return zero, d.explain(fmt.Errorf("read %s, line %d: %w", f.path, l.n, rerr))
	}
	if err != nil {
		return zero, err
	}
	return v, nil
}
