package save

import (
	"errors"
	"fmt"
	"time"

	"ckpt/internal/image"
)

// Then says what becomes of the program after a save.
type Then string

// Values of Then.
const (
	ThenRun  Then = "run"  // it goes on
	ThenStop Then = "stop" // it is stopped as by SIGSTOP
	ThenKill Then = "kill" // it is killed, once the image is safe
)

// Options say what to save, where to, and how.
type Options struct {
	PID  int    // of the process; its descendants are saved with it
	Path string // of the image
	Then Then   // for all of them
	// Sync makes the image durable before Save returns (fdatasync and fsync of
	// the directory). Without it a crash of the machine may lose the image,
	// though never the one it replaces together with it.
	Sync bool
	// Compress is the level of zstd, from 1 to 22, that the image is compressed
	// with; 0: it is not.
	Compress int
	// Timeout bounds the wait for the process to stop.
	Timeout time.Duration
	Trigger string // image.TriggerCommand or image.TriggerSignal
	Version string // of this engine
	// Progress, if set, hears of every piece of memory that was copied. It is
	// called from several goroutines.
	Progress func(done, total int64)
	// Released, if set, is called with what the image will say, which it may change, as soon as the
	// program runs again, before the image is made durable and gets its name.
	// (Only with ThenRun.)
	Released func(*image.Manifest)
	// Incremental saves only what was written to since the last image that was
	// saved so, which the new one goes on from, if that is possible.
	Incremental bool
	whole       error // why that is not to be tried
	// readFrozen has files that are mapped read while the program stands still.
	readFrozen bool
	// Self saves only the process itself, which must have no children then.
	Self bool
	// Given are the numbers of descriptors that will be handed over when the
	// image is restored, if they can not be saved.
	Given []int
	// AheadLeast is how much memory of a process, in bytes, is worth being copied
	// while it runs; 0 is the usual.
	AheadLeast uint64
	// Helpers are processes that work for this save and are therefore no part
	// of what is saved: the agent's middle child and the engine.
	Helpers []int
}

// Result is what a save did.
type Result struct {
	Manifest *image.Manifest
	Stats    image.Stats
	Frozen   time.Duration // how long the program stood still
	NoTwin   error         // why it stood still while its memory was saved; nil: it did not
	Ahead    bool          // its memory was copied while it ran, or most of it
	NotAhead error         // why that was not done, though there is much of it; or not all the way
	Parent   *image.Parent // that the image goes on from; nil: it is complete
	Whole    error         // why it is complete although Options.Incremental; nil: it need not be told
	Sync     time.Duration // what making the image durable took
	Total    time.Duration
	Warnings []Finding
}

// Finding is one thing about a process that matters for saving it.
type Finding struct {
	Process string `json:"process,omitempty"` // "sleep (4712)", where there are several
	Object  string `json:"object"`            // "fd 17 (io_uring)"
	Reason  string `json:"reason"`
	Advice  string `json:"advice,omitempty"`
}

// Where names what the finding is about: "sleep (4712), fd 17 (io_uring)".
func (f Finding) Where() string {
	if f.Process == "" {
		return f.Object
	}
	return f.Process + ", " + f.Object
}

func (f Finding) String() string {
	s := f.Where() + ": " + f.Reason
	if f.Advice != "" {
		s += " (" + f.Advice + ")"
	}
	return s
}

// ErrNoProcess says that there is no process to save.
var ErrNoProcess = errors.New("no such process")

// StallError says that a save was given up because it made no progress; the
// process runs on.
type StallError struct{ After time.Duration }

func (e *StallError) Error() string {
	return fmt.Sprintf("given up: nothing has moved for %v; a file system that the process uses may not answer", e.After)
}

// Timeout makes the error one of those that net and os call a timeout.
func (e *StallError) Timeout() bool { return true }

// RefusedError says that a process would not survive, and why. It was not
// touched.
type RefusedError struct {
	Process   string // "python3 (4711)"
	Obstacles []Finding
}

func (e *RefusedError) Error() string {
	s := e.Process + " can not be saved: " + e.Obstacles[0].String()
	if n := len(e.Obstacles) - 1; n > 0 {
		s += fmt.Sprintf("; and %d more: see ckpt check", n)
	}
	return s
}

// StoreError says that the image could not be written.
type StoreError struct {
	Path string
	Err  error
}

func (e *StoreError) Error() string { return fmt.Sprintf("write %s: %v", e.Path, e.Err) }

func (e *StoreError) Unwrap() error { return e.Err }
