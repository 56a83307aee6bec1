package save

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/ptrace"
)

// An incremental image goes on from the last one, the base, as long as all this is
// so; else it is complete, and the reason is told.

const (
	// mostLinks is how many images an incremental one goes on from at most, and
	// mostGrowth how much memory those on top of the complete one may have, as a
	// part of that one's. What was written to in several is in all of them.
	mostLinks  = 16
	mostGrowth = 0.5
	// mostAhead is how much is copied ahead into our own memory, in bytes; with more
	// to copy, the process is copied by a fork as for a complete image.
	mostAhead = 256 << 20
	// fewLeft is how much may be left to copy while the process is frozen, and
	// rounds how often to try.
	fewLeft = 1 << 20
	rounds  = 3
	// aloneLimit is how long to wait for an engine that watches the processes.
	aloneLimit = 2 * time.Second
)

// incremental is the part of a save that is about the last image.
type incremental struct {
	c        *collector
	base     *image.Image
	parent   *image.Parent
	why      error // why there is no base
	trackers map[int]*tracker
	off      error // why nothing is to be watched
	// untracked is why a process is not tracked, so that the next image will be
	// complete as well.
	untracked error
}

// errFlags says that an area has other flags than in the base, and that it is not
// known since when.
var errFlags = errors.New("the program gave advice about its memory (madvise) since")

// begin looks for the base and copies ahead what was written to since.
func (c *collector) beginIncremental(ctx context.Context) error {
	if !c.o.Incremental {
		return nil
	}
	inc := &incremental{c: c, trackers: map[int]*tracker{}}
	c.inc = inc
	err := aside(ctx, &c.beat, stallLimit, func() error {
		if inc.off = inc.alone(); inc.off != nil {
			inc.why = inc.off
			return nil
		}
		inc.findTrackers()
		inc.why = inc.findBase()
		return inc.forget()
	})
	if err != nil || inc.base == nil {
		return err
	}
	return inc.copyAhead(ctx)
}

// alone makes this the only engine that watches the processes.
func (inc *incremental) alone() error {
	if err := watchable(); err != nil {
		return err
	}
	end := time.Now().Add(aloneLimit)
	for _, s := range inc.c.before.subjects {
		for {
			err := inc.c.lockWatch(s.pid, s.start)
			if err == nil {
				break
			} else if time.Now().After(end) {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// findTrackers finds the processes that hold markers of their own.
func (inc *incremental) findTrackers() {
	for _, r := range inc.c.before.relatives {
		p := inc.c.kin.fs.Process(r.pid)
		st, err := p.Stat()
		if err != nil || st.Zombie() {
			continue // it has ended, or its first thread has
		}
		all, err := findHeld(p)
		if err != nil {
			continue
		}
		for i, h := range all {
			if h.of(r.pid, st.StartTime) {
				if w, err := heldWatch(p, h); err == nil {
					inc.trackers[r.pid] = &tracker{held: h, watch: w, stray: len(ourDescriptors(p, all)) > 2}
					all = append(all[:i], all[i+1:]...)
					break
				}
			}
		}
		closeHeld(all)
	}
}

// findBase opens the image that the root goes on from, or says why there is none.
func (inc *incremental) findBase() error {
	o := inc.c.o
	switch {
	case o.whole != nil:
		return o.whole
	case inc.trackers[o.PID] == nil:
		return errors.New("it is the first")
	case inc.trackers[o.PID].held.Image == nil:
		return errors.New("the last save was not completed")
	}
	last := inc.trackers[o.PID].held.Image
	named := image.Parent{ID: last.ID, Seal: last.Seal, Path: last.Path}
	im, err := image.Open(last.Path)
	if err == nil && !im.Stands(named) {
		im.Close()
		err = fmt.Errorf("%s is another image", last.Path)
	}
	if err != nil {
		var again error
		if im, again = image.Open(image.KeptName(last.Path, last.ID)); again != nil || !im.Stands(named) {
			if again == nil {
				im.Close()
			}
			return fmt.Errorf("the last image can not be used: %w", err)
		}
	}
	if err := inc.use(im); err != nil {
		im.Close()
		return err
	}
	inc.base = im
	return nil
}

// use makes the image the base.
func (inc *incremental) use(im *image.Image) error {
	links, growth := 1, int64(0)
	at := im
	for ; at.Parent() != nil; at = at.Parent() {
		links++
		growth += at.Stats().Memory
	}
	if links >= mostLinks {
		return fmt.Errorf("%d images go on from each other already", links)
	}
	if whole := at.Stats().Memory; float64(growth) > mostGrowth*float64(whole) {
		return fmt.Errorf("the last %d images have half as much memory as the complete one", links-1)
	}
	if err := im.Hold(); err != nil {
		return fmt.Errorf("the last image is being removed: %w", err)
	}
	var err error
	if inc.parent, err = inc.c.image.GoesOnFrom(im); err != nil {
		return fmt.Errorf("the last image can not be kept: %w", err)
	}
	m := im.Manifest()
	for i := range m.Processes {
		p := &m.Processes[i]
		// Ids in the image are those that the processes know.
		if t := inc.trackers[p.PID]; t != nil && t.held.Image != nil && t.held.Image.ID == m.ID && p.Shares.Memory == 0 {
			t.base, t.ahead = newTrackerBase(im, i), newPages()
		}
	}
	return nil
}

// forget makes the markers name no image: notes are taken back from now on.
func (inc *incremental) forget() error {
	for _, t := range inc.trackers {
		if err := t.held.name(nil); err != nil {
			return err
		}
	}
	return nil
}

// copyAhead copies what was written to while the processes run, some times, until
// little is left for when they stand still.
func (inc *incremental) copyAhead(ctx context.Context) error {
	all := uint64(0)
	for n := 0; ; n++ {
		var list map[int][]image.Run
		var size uint64
		err := aside(ctx, &inc.c.beat, stallLimit, func() (err error) {
			list, size, err = inc.note()
			return err
		})
		if err != nil {
			return err
		}
		if all += size; all > mostAhead {
			for _, t := range inc.trackers {
				t.ahead = nil
			}
			return nil
		}
		if n > 0 && (size <= fewLeft || n == rounds) {
			return nil
		}
		// What devices write directly to memory, for a call that began before its
		// notes were taken, is not noted. It is there when all threads have stood
		// still once.
		f, err := freeze(&inc.c.kin, inc.c.before.relatives, inc.c.o.Timeout)
		if err != nil {
			return explain(inc.c.kin.fs, inc.c.o.PID, err)
		}
		if err := f.release(); err != nil {
			return err
		}
		if err := aside(ctx, &inc.c.beat, stallLimit, func() error { return inc.read(ctx, list) }); err != nil {
			return err
		}
	}
}

// note takes notes of all processes; size is how much memory there is to copy.
func (inc *incremental) note() (list map[int][]image.Run, size uint64, err error) {
	list = map[int][]image.Run{}
	for pid, t := range inc.trackers {
		if t.base == nil {
			continue
		}
		runs, err := t.note(inc.c.kin.fs.Process(pid))
		if err != nil {
			return nil, 0, explain(inc.c.kin.fs, pid, err)
		}
		list[pid] = runs
		size += total(runs)
	}
	return list, size, nil
}

// read copies what was noted. What can not be read now will be later.
func (inc *incremental) read(ctx context.Context, list map[int][]image.Run) error {
	for pid, runs := range list {
		t := inc.trackers[pid]
		mem, err := os.Open(inc.c.kin.fs.Process(pid).Path("mem"))
		if err != nil {
			return explain(inc.c.kin.fs, pid, err)
		}
		memory := &scattered{pid: pid, read: func(buf []byte, addr uint64) (int, error) { return mem.ReadAt(buf, int64(addr)) }}
		if err := t.ahead.read(ctx, memory, runs, func(image.Run) {}); err == nil {
			t.recent = nil
		}
		_ = mem.Close() // only read
		inc.c.beat.step()
	}
	return nil
}

// track makes a tracker for a frozen process that has none.
func (inc *incremental) track(m *member, in *ptrace.Injector) {
	if inc == nil || inc.off != nil || m.s.shares.Memory != 0 {
		return
	}
	if t := inc.trackers[m.s.pid]; t != nil {
		if t.stray {
			m.tidy(in, t.held)
		}
		return
	}
	h, w, err := m.hold(in)
	if err != nil {
		if inc.untracked == nil {
			inc.untracked = m.named(err)
		}
		return
	}
	inc.trackers[m.s.pid] = &tracker{held: h, watch: w}
}

// of is the tracker of a process, or nil.
func (inc *incremental) of(m *member) *tracker {
	if inc == nil {
		return nil
	}
	return inc.trackers[m.s.pid]
}

// commit lets the processes remember the image, which is to get its name next: the
// save that waits for that will look for it. If it gets none, it is not found.
func (inc *incremental) commit(w *image.Writer) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(inc.c.o.Path))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return // the next one will be complete
	}
	im := &markedImage{inc.c.manifest.ID, w.Seal(), filepath.Join(dir, filepath.Base(inc.c.o.Path))}
	for _, t := range inc.trackers {
		_ = t.held.name(im) // else the next one will be complete
	}
}

// told is why the image is complete, nil if it is not, or nobody asked.
func (inc *incremental) told() error {
	switch {
	case inc == nil || inc.base != nil:
		return nil
	case inc.untracked != nil:
		return fmt.Errorf("%w; the next one will be as well: %w", inc.why, inc.untracked)
	}
	return inc.why
}

// close lets go of everything but what the processes hold.
func (inc *incremental) close() {
	if inc == nil {
		return
	}
	for _, t := range inc.trackers {
		t.close()
	}
	if inc.base != nil {
		_ = inc.base.Close() // only read
	}
}
