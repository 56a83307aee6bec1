// Package kind knows every kind of thing that a file descriptor can refer to:
// how to describe it while its process is frozen, and how to make it again.
//
// There is one small file per kind and one table, Table, that lists them all.
// A descriptor belongs to the first kind in the table that matches it; what no
// kind matches is refused by name before anything is frozen.
//
// A kind comes back in one of two ways, or in both. What can be made by anyone
// is made in Go by Remake, where an error is a value with a name in it, and
// handed to the restored process across execve. What is bound to descriptor
// numbers or to the process itself (epoll registrations, signalfd, fcntl
// locks) is added to the plan and made in the final process.
package kind

import (
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// Kind is one kind of open file.
type Kind interface {
	// Name identifies the kind in images, listings and messages.
	Name() string

	// Match reports whether d is of this kind. It looks at what is in d only.
	Match(d *Desc) bool

	// Save describes the open file behind d: it sets what is special about it
	// in f (f.Detail, f.Path, payload). It is called once for each open file
	// description, twice in a save: by check while the process runs
	// (c.Frozen is false: no content is wanted, only whether it would
	// survive), and when the process is frozen. It must not change anything
	// the process could notice. What can not be saved is an *UnsupportedError.
	// If it turns out to be of another kind after all, Save sets f.Kind to that
	// and describes it so.
	Save(c *SaveContext, d *Desc, f *image.OpenFile) error

	// Remake makes the open file again and reports it by r.Made, or adds what
	// makes it to the plan by r.Final.
	Remake(r *RestoreContext, f *image.OpenFile) error
}

// UnsupportedError says that something can not be saved or restored, why, and
// what the user can do about it.
type UnsupportedError struct {
	Object string // "fd 17 (io_uring)"
	Reason string // "not supported"
	Advice string // "close it before saving"
}

func (e *UnsupportedError) Error() string {
	s := e.Object + ": " + e.Reason
	if e.Advice != "" {
		s += " (" + e.Advice + ")"
	}
	return s
}

// Final is what a kind adds to the plan, to be executed in the final process
// after every descriptor is at its own number. fds are the descriptor numbers
// of the open file in that process (never empty; of one in flight, a number
// that it has only for now).
type Final func(b *plan.Builder, fds []int) error
