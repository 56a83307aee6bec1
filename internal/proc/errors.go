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

// ParseError is text that is not what the kernel writes.
type ParseError struct {
	File   string
	Line   int // from 1
	Reason string
}

func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// explain adds ErrGone to an error from a file of d if it means that. ENOENT
// alone does not tell: the process may exist and lack only the file.
func (d directory) explain(err error) error {
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, fs.ErrNotExist) && !d.exists() {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return err
}
