package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// ErrGone says that the process or thread does not exist, or no more. What is
// missing in a process that does exist (a descriptor that is not open, the exe
// of a kernel thread or zombie, a file this kernel was built without) is
// fs.ErrNotExist and not ErrGone; what we may not see is fs.ErrPermission.
var ErrGone = errors.New("process is gone")

// ErrNoMemory says that the process has no address space: it is a zombie, or
// just becoming one, or a kernel thread.
var ErrNoMemory = errors.New("process has no memory")

// ParseError is text that is not what the kernel writes.
type ParseError struct {
	File   string
	Line   int // from 1
	Reason string
}

func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// explain adds ErrGone or ErrNoMemory to an error from a file of d if it means
// that. The errno alone does not tell: ENOENT can be about the file only, and
// ESRCH is also what auxv, environ, mem and pagemap of a zombie give.
func (d directory) explain(err error) error {
	switch lost, missing := errors.Is(err, syscall.ESRCH), errors.Is(err, fs.ErrNotExist); {
	case (lost || missing) && !d.exists():
		return fmt.Errorf("%w: %w", ErrGone, err)
	case lost:
		return fmt.Errorf("%w: %w", ErrNoMemory, err)
	}
	return err
}
