// Package save turns a running process into an image.
//
// Save is the story, from top to bottom: open the image's temporary file, look
// at the process while it runs and refuse what would not survive, freeze it,
// look again and collect, copy its memory, let it go, and only then make the
// image durable and visible. Everything works from outside, by ptrace and
// /proc; nothing is left behind in the process, and whatever fails, it runs on
// as if nothing had happened.
package save

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// Save saves a process as Options say. The errors that callers decide on are
// ErrNoProcess, *RefusedError, *StoreError, *StallError, *ptrace.TimeoutError
// and that of ctx; after all of them the process runs on and an older image at
// the path is intact.
func Save(ctx context.Context, o Options) (result *Result, err error) {
	if err := sys.NoChildStopSignals(); err != nil {
		return nil, err
	}
	// All ptrace requests for a process must come from one OS thread.
	err = onOwnThread(func() error {
		result, err = save(ctx, o)
		return err
	})
	return result, err
}

func save(ctx context.Context, o Options) (*Result, error) {
	begin := time.Now()
	w, err := image.Create(ctx, o.Path)
	if errors.Is(err, context.Canceled) {
		return nil, err
	}
	if err != nil {
		return nil, &StoreError{o.Path, err}
	}
	defer w.Abort()

	c := &collector{o: o, fs: proc.Host(), image: w}
	if err := aside(ctx, &c.beat, stallLimit, c.prepare); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	pfs := c.fs
	f, err := freeze(pfs, o.PID, o.Timeout)
	if err != nil {
		return nil, explain(pfs, o.PID, err)
	}
	defer f.release()
	c.frozen = f
	if err := c.collect(ctx); err != nil {
		return nil, explain(pfs, o.PID, err)
	}
	defer c.endTwin()
	result := &Result{Manifest: &c.manifest, Warnings: c.s.warnings, NoTwin: c.noTwin}
	if o.Then == ThenRun {
		if err := c.release(); err != nil {
			return nil, err
		}
		result.Frozen = time.Since(f.since)
		if o.Released != nil {
			o.Released(&c.manifest)
		}
	}
	if err := c.finishTwin(ctx); err != nil {
		return nil, err
	}
	c.endTwin()
	if result.Stats, err = w.Finish(&c.manifest); err != nil {
		return nil, &StoreError{o.Path, err}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	syncing := time.Now()
	if err := w.Publish(image.CommitOptions{Fsync: o.Sync}); err != nil {
		return nil, &StoreError{o.Path, err}
	}
	result.Sync = time.Since(syncing)
	if o.Then != ThenRun {
		// Only now, with the image safe. The signal finds the process frozen
		// and takes effect as soon as it is released.
		if err := syscall.Kill(o.PID, o.Then.signal()); err != nil {
			return nil, fmt.Errorf("%s process %d: %w", o.Then, o.PID, err)
		}
		// One that is dying does not stop for a farewell.
		if err := c.release(); err != nil && o.Then != ThenKill {
			return nil, err
		}
		result.Frozen = time.Since(f.since)
	}
	result.Total = time.Since(begin)
	return result, nil
}

func (t Then) signal() syscall.Signal {
	if t == ThenKill {
		return syscall.SIGKILL
	}
	return syscall.SIGSTOP
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

// collector takes a frozen process apart.
type collector struct {
	o        Options
	fs       proc.FS
	frozen   *frozen
	image    *image.Writer
	s        *subject
	before   *prepared
	manifest image.Manifest
	beat     beat

	twin       *ptrace.Twin
	noTwin     error // why there is none
	areas      []image.Area
	flagsLater bool        // the areas have not all their flags yet
	later      []image.Run // memory that the twin holds, to be copied once the process may run
	total      int64       // bytes of memory to be copied
	done       atomic.Int64
}

// step notes that n bytes of memory are in the image.
func (c *collector) step(n uint64) {
	c.beat.step()
	if c.o.Progress != nil {
		c.o.Progress(c.done.Add(int64(n)), c.total)
	}
}

func (c *collector) endTwin() {
	if c.twin != nil {
		c.twin.Kill()
		c.twin = nil
	}
}

// prepare looks at the process while it runs, and refuses it if it would not
// survive.
func (c *collector) prepare() error {
	early := startPrepare(c.fs, c.o.PID)
	report, s, err := check(c.fs, c.o.PID, c.o.Helpers, c.o.Path, quickMaps)
	if err == nil {
		err = report.refusal()
	}
	if err != nil {
		return err // what was begun only reads
	}
	c.before, err = early.finish(c.fs, s)
	return err
}

// collect describes the frozen process in the manifest and copies its memory
// and the contents of its files into the image. Only what needs ptrace is done
// on this thread.
func (c *collector) collect(ctx context.Context) error {
	var p image.Process
	var vmas []proc.VMA
	err := aside(ctx, &c.beat, stallLimit, func() (err error) {
		vmas, err = c.look(&p)
		return err
	})
	if err != nil {
		return err
	}
	if err := c.state(&p, vmas); err != nil {
		return err
	}
	if err := c.refusal(); err != nil {
		return err
	}
	if err := aside(ctx, &c.beat, stallLimit, func() error { return c.contents(ctx, &p, vmas) }); err != nil {
		return err
	}
	// One that is killed loses its memory while it is copied.
	if err := c.frozen.alive(); err != nil {
		return err
	}
	return c.identify(p)
}

// look reads from /proc what the frozen process is.
func (c *collector) look(p *image.Process) ([]proc.VMA, error) {
	var err error
	if c.s, err = look(c.fs, c.o.PID, c.o.Helpers); err != nil {
		return nil, err
	}
	if err := c.s.sameProcess(c.before.start); err != nil {
		return nil, err
	}
	if err := c.refusal(); err != nil {
		return nil, err
	}
	if err := c.s.describe(p); err != nil {
		return nil, err
	}
	return c.s.proc.Maps()
}

// contents finds the memory and the open files of the process and copies what
// is in them.
func (c *collector) contents(ctx context.Context, p *image.Process, vmas []proc.VMA) error {
	vmas, complete, err := c.readFlags(vmas)
	if err != nil {
		return err
	}
	c.flagsLater = !complete
	mappings := c.s.classify(dropLeftovers(vmas, c.frozen.mem, p.Threads))
	files, err := openFiles(c.s)
	if err != nil {
		return err
	}
	defer files.Close()
	if err := files.listDescriptors(); err != nil {
		return err
	}
	files.addMappings(c.s, mappings)
	c.s.refuseDestination(c.o.Path, files.descs, mappings)
	for _, m := range mappings {
		p.Areas = append(p.Areas, m.Area)
	}

	scanner, err := newPageScanner(c.s.proc)
	if err != nil {
		return err
	}
	defer scanner.Close()
	runs, err := findRuns(scanner, p.Areas)
	if err != nil {
		return err
	}
	if err := c.refusal(); err != nil {
		return err
	}
	if err := c.image.Layout(image.Layout{Processes: []image.Space{{Areas: p.Areas, Runs: runs}}}); err != nil {
		return &StoreError{c.o.Path, err}
	}
	c.manifest.Files, err = files.describe(c.fs, c.payloads(ctx))
	if err != nil {
		return err
	}
	p.Descriptors = files.descriptors(c.s)
	if err := c.refusal(); err != nil {
		return err
	}
	now := runs
	if c.twin != nil {
		now, c.later = split(runs, p.Areas)
	}
	for _, r := range runs {
		c.total += int64(r.Len)
	}
	c.areas = p.Areas
	return c.copier(c.frozen.mem).copy(ctx, now)
}

func (c *collector) copier(mem io.ReaderAt) *copier {
	return &copier{
		mem: mem, image: c.image.Process(0), path: c.o.Path, areas: c.areas,
		buffers: c.before.buffers, step: c.step,
	}
}

// refusal is what collecting found and check had not: the process changed in
// between.
func (c *collector) refusal() error {
	if len(c.s.obstacles) == 0 {
		return nil
	}
	return &RefusedError{c.s.name(), c.s.obstacles}
}

// identify completes the manifest.
func (c *collector) identify(p image.Process) error {
	var id [16]byte
	rand.Read(id[:]) // never fails
	host := c.before.host
	if err := describeThread(&host, c.fs, c.s.proc.PID, living(p.Threads).XSave); err != nil {
		return err
	}
	files := c.manifest.Files
	c.manifest = image.Manifest{
		Version: image.ManifestVersion, ID: fmt.Sprintf("%x", id), Created: time.Now().UTC(),
		Engine: c.o.Version, Trigger: c.o.Trigger, Host: host,
		Processes: []image.Process{p}, Files: files,
	}
	return nil
}

func (c *collector) release() error { return c.frozen.release() }
