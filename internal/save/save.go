// Package save turns a running process and its descendants into an image.
//
// Save is the story, from top to bottom: open the image's temporary file, look
// at the processes while they run and refuse what would not survive, freeze
// them, look again and collect, copy their memory, let them go, and only then
// make the image durable and visible. Everything works from outside, by ptrace
// and /proc; nothing is left behind in a process, and whatever fails, it runs on
// as if nothing had happened.
package save

import (
	"context"
	"errors"
	"runtime"
	"syscall"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// Save saves a process and its descendants as Options say. The errors that callers decide on are
// ErrNoProcess, *RefusedError, *StoreError, *StallError, *ptrace.TimeoutError
// and that of ctx; after all of them the processes run on and an older image at
// the path is intact.
func Save(ctx context.Context, o Options) (result *Result, err error) {
	if err := sys.NoChildStopSignals(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(o.Timeout)
	for tries := 1; ; {
		// All ptrace requests for a process must come from one OS thread.
		err = onOwnThread(func() error {
			result, err = save(ctx, o)
			return err
		})
		k := kin{fs: proc.Host()}
		var written *errWrittenTo
		switch {
		case busy(err) && ctx.Err() == nil && time.Now().Before(deadline):
			time.Sleep(busyPause)
		case passing(err) && tries < saveTries && !k.over(o.PID):
			tries++
		case errors.Is(err, errFlags) && o.whole == nil:
			o.whole = err
		case errors.As(err, &written) && !o.readFrozen:
			o.readFrozen = true
		default:
			return result, err
		}
	}
}

// passing reports whether what went wrong may be over: a descendant that was
// killed while it was frozen need not be saved, and who could not be traced for a
// reason that is no more was just let go. What has changed can be looked at again.
func passing(err error) bool {
	var seize *ptrace.SeizeError
	if errors.As(err, &seize) {
		_, gone := proc.Host().Process(seize.Tracer).Stat()
		return seize.Reason == ptrace.Unexplained || seize.Reason == ptrace.Traced && gone != nil
	}
	return errors.Is(err, ErrNoProcess) || errors.Is(err, errDroppable)
}

// saveTries is how often a save is begun.
const saveTries = 3

func save(ctx context.Context, o Options) (*Result, error) {
	begin := time.Now()
	defer keepGarbage()()
	w, err := image.Create(ctx, o.Path)
	if errors.Is(err, context.Canceled) {
		return nil, err
	}
	if err != nil {
		return nil, &StoreError{o.Path, err}
	}
	defer w.Abort()
	if o.Compress > 0 {
		if err := w.CompressWith(o.Compress); err != nil {
			return nil, &StoreError{o.Path, err}
		}
	}

	pfs := proc.Host()
	c := &collector{o: o, kin: kin{fs: pfs, root: o.PID, helpers: o.Helpers, given: o.Given, alone: o.Self, patience: min(o.Timeout, vforkLimit)}, image: w}
	if err := aside(ctx, &c.beat, stallLimit, c.prepare); err != nil {
		return nil, err
	}
	defer c.before.clean.Close()
	if len(c.before.subjects) > 1 {
		// What was found out is needed no more, and memory that was in use is
		// quicker to get than memory that the kernel has to give.
		runtime.GC()
		defer keepGarbage()()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer c.unlockWatch()
	defer func() { c.inc.close() }()
	if err := c.beginIncremental(ctx); err != nil {
		return nil, err
	}
	defer c.closeAhead()
	if err := c.copyAhead(ctx); err != nil {
		return nil, explain(pfs, o.PID, err)
	}
	f, err := freeze(&c.kin, c.before.relatives, o.Timeout)
	if err != nil {
		return nil, explain(pfs, o.PID, err)
	}
	defer f.release()
	c.frozen = f
	defer c.endTwins()
	if err := c.collect(ctx); err != nil {
		return nil, c.explain(err)
	}
	result := &Result{
		Manifest: &c.manifest, Warnings: c.warnings(), NoTwin: c.noTwin(),
		Ahead: len(c.ahead) > 0, NotAhead: c.noAhead,
		Parent: c.manifest.Parent, Whole: c.inc.told(),
	}
	if o.Then == ThenRun {
		if err := f.release(); err != nil {
			return nil, err
		}
		result.Frozen = max(c.longest, time.Since(f.since))
		if o.Released != nil {
			o.Released(&c.manifest)
		}
	}
	if err := c.finishAhead(ctx); err != nil {
		return nil, err
	}
	if err := c.finishTwins(ctx); err != nil {
		return nil, err
	}
	c.endTwins()
	if result.Stats, err = w.Finish(&c.manifest); err != nil {
		return nil, &StoreError{o.Path, err}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.inc != nil {
		c.inc.commit(w)
		c.unlockWatch() // what was copied ahead for others may still be watched
	}
	syncing := time.Now()
	if err := w.Publish(image.CommitOptions{Fsync: o.Sync}); err != nil {
		return nil, &StoreError{o.Path, err}
	}
	result.Sync = time.Since(syncing)
	if o.Then != ThenRun {
		// Only now, with the image safe.
		if err := f.end(o.Then); err != nil {
			return nil, err
		}
		result.Frozen = time.Since(f.since)
	}
	result.Total = time.Since(begin)
	return result, nil
}

// endTime is how long a killed process may take to end.
const endTime = time.Second

// explain finds the words for an error in the middle of looking at a process:
// one that has died makes everything fail in its own way.
func explain(pfs proc.FS, pid int, err error) error {
	if errors.Is(err, ErrNoProcess) {
		return err
	}
	st, serr := pfs.Process(pid).Status()
	// One that was killed while it stood is told as gone before it is seen to be.
	for end := time.Now().Add(endTime); errors.Is(err, syscall.ESRCH) && serr == nil && !st.Over() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
		st, serr = pfs.Process(pid).Status()
	}
	if errors.Is(serr, proc.ErrGone) || serr == nil && st.Over() ||
		errors.Is(err, ptrace.ErrGone) || errors.Is(err, proc.ErrGone) {
		return ended(pid)
	}
	return err
}
