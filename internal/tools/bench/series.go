package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// engine saves and restores.
type engine interface {
	name() string
	// wrap is the start of a command line that runs a program so that the
	// engine can save it.
	wrap(dir string) []string
	// save saves a process to a new directory, without waiting for the disk.
	save(ctx context.Context, pid int, dir string) error
	// restore is the command that makes it run on.
	restore(dir string) *exec.Cmd
}

// lazyEngine can also restore without reading memory first.
type lazyEngine interface{ restoreLazily(dir string) *exec.Cmd }

// stoppingEngine can also stop the program first and copy it then.
type stoppingEngine interface {
	saveAndStop(ctx context.Context, pid int, dir string) error
}

// run is what one run measured.
type run struct {
	Save, Pause, Before, Fsync, Restore, Fork time.Duration
	Write, Reserve, WarmRead, FreshRead       time.Duration
	HugeRead                                  time.Duration
	Lazy                                      time.Duration // 0: the engine has no such thing
	Stopped                                   time.Duration // saved stopped; 0: the same
	Image                                     int64         // bytes on the disk
}

// shape is what a program is made of.
type shape struct {
	Size      int64 `json:"size"`      // bytes of memory of its first process
	Threads   int   `json:"threads"`   // of its first process
	Processes int   `json:"processes"` // of which all but the first do nothing
	Random    bool  `json:"random"`    // all of its memory is
	Dirty     int64 `json:"dirty"`     // bytes of pages that it writes to in a second
}

// small is a program of one thread and no memory but its libraries'.
var small = shape{Threads: 1, Processes: 1}

// large is one with so many bytes of memory.
func large(size int64) shape { return shape{Size: size, Threads: 1, Processes: 1} }

// String is what the user calls it.
func (s shape) String() string {
	switch {
	case s.Threads > 1:
		return fmt.Sprintf("%d threads", s.Threads)
	case s.Processes > 1:
		return fmt.Sprintf("%d processes", s.Processes)
	}
	name := sizeName(s.Size)
	if s.Random {
		name += " of random bytes"
	}
	if s.Dirty > 0 {
		name += fmt.Sprintf(", writes to %d MB/s", s.Dirty/1e6)
	}
	return name
}

// dirtyRate is how much programs write that do, in bytes of pages a second.
const dirtyRate = 100e6

// series are the runs of one engine with one shape.
type series struct {
	Engine string
	shape
	Runs []run
}

func (t *tools) series(ctx context.Context, e engine, of shape, n int) (series, error) {
	s := series{Engine: e.name(), shape: of}
	for range n {
		progress("%s, %v, run %d of %d ", e.name(), of, len(s.Runs)+1, n)
		r, err := t.run(ctx, e, of)
		if err != nil {
			return s, fmt.Errorf("%s, %v: %w", e.name(), of, err)
		}
		s.Runs = append(s.Runs, r)
	}
	progress("")
	return s, nil
}

// progress replaces the line that tells what goes on, on a terminal.
func progress(format string, args ...any) {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&fs.ModeCharDevice != 0 {
		fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
	}
}

const (
	// calm is how long the program is watched before it is saved.
	calm = 500 * time.Millisecond
	// after is how many beats it is watched after it was saved.
	after = 20
)

// run starts a program, saves it, measures what to compare with, kills it,
// restores it, and has it check its memory.
func (t *tools) run(ctx context.Context, e engine, of shape) (r run, err error) {
	dir := filepath.Join(t.dir, "image")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	p, err := t.start(ctx, e.wrap(dir), of)
	if err != nil {
		return r, err
	}
	defer p.close()
	if err := t.save(ctx, e, p, dir, of.Size, &r); err != nil {
		return r, err
	}
	if err := t.references(ctx, &r); err != nil {
		return r, err
	}
	fork, err := p.do(ctx, commandFork)
	if err != nil {
		return r, fmt.Errorf("fork: %w", err)
	}
	r.Fork = time.Duration(fork)
	if s, ok := e.(stoppingEngine); ok && of.Size > 0 {
		if err := t.saveStopped(ctx, s, p, of.Size, &r.Stopped); err != nil {
			return r, err
		}
	}
	if err := t.restore(ctx, p, e.restore(dir), r.Image, &r.Restore); err != nil {
		return r, err
	}
	// To kill a restore that is the parent of what it restored would leave that.
	if l, ok := e.(lazyEngine); ok && of.Threads <= 1 && of.Processes <= 1 {
		return r, t.restore(ctx, p, l.restoreLazily(dir), r.Image, &r.Lazy)
	}
	return r, nil
}

// save saves the program and finds out how long it stood still.
func (t *tools) save(ctx context.Context, e engine, p *program, dir string, size int64, r *run) error {
	first, err := p.beats()
	if err != nil {
		return err
	}
	select {
	case <-time.After(calm):
	case <-ctx.Done():
		return ctx.Err()
	}
	calmed, err := p.beats()
	if err != nil {
		return err
	}
	if err := t.warm(ctx, size); err != nil {
		return err
	}
	before, err := p.beats()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := e.save(ctx, p.cmd.Process.Pid, dir); err != nil {
		return err
	}
	r.Save = time.Since(begin)
	end, err := p.beats()
	if err != nil {
		return err
	}
	if _, err := p.beatAfter(ctx, end+after); err != nil {
		return err
	}
	if r.Before, err = p.longestGap(first, calmed-1); err != nil {
		return err
	}
	if r.Pause, err = p.longestGap(before-1, end+after); err != nil {
		return err
	}
	begin = time.Now()
	if r.Image, err = syncAll(dir); err != nil {
		return err
	}
	r.Fsync = time.Since(begin)
	return nil
}

// saveStopped saves the program once more, stopped from then on, and lets it go on.
func (t *tools) saveStopped(ctx context.Context, e stoppingEngine, p *program, size int64, took *time.Duration) error {
	dir := filepath.Join(t.dir, "stopped")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := t.warm(ctx, size); err != nil {
		return err
	}
	begin := time.Now()
	if err := e.saveAndStop(ctx, p.cmd.Process.Pid, dir); err != nil {
		return err
	}
	*took = time.Since(begin)
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	last, err := p.beats()
	if err != nil {
		return err
	}
	_, err = p.beatAfter(ctx, last)
	return err
}

// syncAll waits until all files of a directory are on the disk, and returns how
// many bytes they take there.
func syncAll(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			size += st.Blocks * 512
		}
		return f.Sync()
	})
	return size, err
}

// references measures plain work with as many bytes as the image has.
func (t *tools) references(ctx context.Context, r *run) error {
	file, size := filepath.Join(t.dir, "reference-file"), strconv.FormatInt(r.Image, 10)
	defer os.Remove(file)
	for _, m := range []struct {
		what string
		time *time.Duration
	}{{"write", &r.Write}, {"reserve", &r.Reserve}, {"warm-read", &r.WarmRead}, {"fresh-read", &r.FreshRead}, {"huge-read", &r.HugeRead}} {
		var err error
		if err = t.warm(ctx, r.Image); err != nil {
			return err
		}
		if *m.time, err = t.refer(ctx, m.what, file, size); err != nil {
			return err
		}
	}
	return nil
}

// restore kills the program, makes it run on, and has it check its memory.
func (t *tools) restore(ctx context.Context, p *program, by *exec.Cmd, size int64, took *time.Duration) error {
	p.kill()
	if err := t.warm(ctx, size); err != nil {
		return err
	}
	last, err := p.beats()
	if err != nil {
		return err
	}
	begin, err := now()
	if err != nil {
		return err
	}
	if err := p.launch(t.dir, by); err != nil {
		return err
	}
	first, err := p.beatAfter(ctx, last)
	if err != nil {
		return err
	}
	*took = time.Duration(first - begin)
	return p.check(ctx)
}
