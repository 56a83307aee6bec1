package restore

import (
	"errors"
	"fmt"
	"strings"

	"ckpt/internal/kind"
)

// Options say what to restore and how.
type Options struct {
	Path   string
	Policy kind.Policy
	// PID is what becomes of the process id: PIDNew or PIDAuto give it the
	// one of this process; PIDKeep demands the saved one.
	PID string
	// Given are this process's own descriptors that become those of the program,
	// by their numbers there.
	Given map[int]int
	// Again gives the arguments by which this very program does the same once more,
	// as process 1 of namespaces of its own, with a descriptor as Inside. Nil: no
	// namespaces are made.
	Again  func(inside int) []string
	Inside int
	// Lazy maps memory from the image, which is not verified then, or leaves it to a
	// pager, instead of reading it, where that is possible.
	Lazy bool
	// Progress hears of every piece of the image that was verified.
	Progress func(done, total int64)
	// Warn hears, before the program runs, what is different from when it was
	// saved. object names the file, clock or attribute.
	Warn func(object, text string)

	rehearsal   bool    // the plan is all that is wanted
	within      *inside // we are process 1 of namespaces
	noNamespace string  // why none helps; it has been tried
	taken       string  // who has got an id meanwhile, as the first try has found out
}

// Values of Options.PID.
const (
	PIDAuto = "auto"
	PIDNew  = "new"
	PIDKeep = "keep"
)

// ErrNoImage says that there is no file to restore from.
var ErrNoImage = errors.New("no such image")

// HostError says that an image can not be restored here: another processor,
// another user, or something the host forbids.
type HostError struct {
	Reason string
	Advice string
}

func (e *HostError) Error() string {
	if e.Advice == "" {
		return e.Reason
	}
	return e.Reason + " (" + e.Advice + ")"
}

// RefusedError says what stands in the way of a restore. Nothing was started
// or changed.
type RefusedError struct{ Obstacles []error }

func (e *RefusedError) Error() string {
	lines := make([]string, 0, len(e.Obstacles))
	for _, o := range e.Obstacles {
		lines = append(lines, o.Error())
	}
	return fmt.Sprintf("can not restore: %s", strings.Join(lines, "; "))
}

func (e *RefusedError) Unwrap() []error { return e.Obstacles }
