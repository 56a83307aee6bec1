package save

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// Large memory is copied ahead, while the processes run: they stand still only for
// what has changed since. They are stopped three times, each time for about a
// millisecond: so that writes can be watched from now on; so that no device writes
// to pages that it got hold of before they were watched; and for the state that
// goes into the image.
//
// Where that can not be, or the program writes faster than it is copied, a twin
// holds the memory (see makeTwin).

const (
	// aheadLeast is the memory in bytes that is worth it: forking less of it takes a
	// millisecond. Huge pages do not count: a fork has them in no time, and watching
	// would split them.
	aheadLeast = 48 << 20
	// aheadShared is the most shared memory, in bytes, of processes whose other
	// memory is copied ahead. It is copied while they stand still.
	aheadShared = 16 << 20
	// aheadRounds is how often at most to copy what changed while it was copied
	// before, aheadCalm how little of it, in bytes, ends that, and aheadSlow how much
	// of what it was the time before.
	aheadRounds = 5
	aheadCalm   = 512 << 10
	aheadSlow   = 0.75
)

// keptMost is how much of what changed meanwhile is kept in memory, in bytes.
var keptMost uint64 = 128 << 20

// ahead is what was copied of a running process.
type ahead struct {
	pid     int
	proc    proc.Process
	mem     *os.File
	watch   *watch
	shadow  *twinWriter       // what writes it into the image; nil: it is read from outside
	flags   func() []proc.VMA // smaps as they were before it was frozen
	areas   []image.Area
	runs    []image.Run // what was copied
	private []image.Run // of that, what belongs to no file
	image   *image.SpaceWriter
	kept    *pages // what changed since, to be written to its places later
	room    []byte // touched, for what changes last

	mu     sync.Mutex
	missed []image.Run // what has to be taken for changed, whatever the watch says
}

func (a *ahead) miss(r image.Run) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.missed = append(a.missed, r)
}

// endShadow ends what has written the memory into the image.
func (a *ahead) endShadow() {
	if a.shadow != nil {
		a.shadow.twin.Kill()
		a.shadow = nil
	}
}

func (a *ahead) Close() {
	a.endShadow()
	if a.watch != nil {
		a.watch.Close()
	}
	if a.mem != nil {
		_ = a.mem.Close() // only read
	}
}

// closeAhead ends all watching.
func (c *collector) closeAhead() {
	c.unwatching.Wait()
	for _, a := range c.ahead {
		a.Close()
	}
}

// copyAhead copies the memory of large processes while they run. If it does not, it
// notes why, unless there are none.
func (c *collector) copyAhead(ctx context.Context) error {
	large := c.largeProcesses()
	if len(large) == 0 || c.inc != nil || c.o.Then != ThenRun || c.o.Compress > 0 {
		return nil
	}
	if c.noAhead = c.watchAll(ctx, large); c.noAhead != nil {
		c.closeAhead()
		c.ahead = nil
		return ctx.Err()
	}
	return c.copyWatched(ctx)
}

// largeProcesses are those with memory that is worth copying ahead.
func (c *collector) largeProcesses() (large []*subject) {
	shared := uint64(0)
	for _, s := range c.before.subjects {
		for i := range s.areas {
			if k := s.areas[i].Kind; k == image.SharedAnonymous || k == image.SharedFile && s.areas[i].Whole {
				shared += s.areas[i].Size()
			}
		}
		if !s.zombie && s.shares.Memory == 0 && s.status.RssAnon >= c.o.aheadLeast() {
			large = append(large, s)
		}
	}
	if shared > aheadShared {
		return nil
	}
	return large
}

// aheadLeast is how large memory has to be; tests have smaller ones.
func (o *Options) aheadLeast() uint64 {
	if o.AheadLeast > 0 {
		return o.AheadLeast
	}
	return aheadLeast
}

// watchAll begins to watch what large processes write. An error says why that can
// not be.
func (c *collector) watchAll(ctx context.Context, large []*subject) error {
	if err := watchable(); err != nil {
		return err
	}
	for _, s := range large {
		if err := aside(ctx, &c.beat, stallLimit, func() error { return c.addAhead(s) }); err != nil {
			return err
		}
	}
	if len(c.ahead) == 0 {
		return nil
	}
	err := c.briefly(func(f *frozenTree) error {
		for _, p := range f.processes {
			a := c.ahead[p.pid]
			if a == nil {
				continue
			}
			if err := c.openWatch(f, a, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for pid, a := range c.ahead {
		if a.watch == nil {
			return ended(pid)
		}
		if err := aside(ctx, &c.beat, stallLimit, a.arm); err != nil {
			return err
		}
	}
	// Direct reads that have begun before are over when all threads have stopped.
	return c.briefly(func(*frozenTree) error { return nil })
}

// addAhead looks whether a process is to be copied ahead.
func (c *collector) addAhead(s *subject) error {
	vmas, err := s.proc.Maps()
	if err != nil {
		return err
	}
	hintFlags(s.proc, vmas)
	if much, err := muchSmall(s.proc, vmas, c.o.aheadLeast()); err != nil || !much {
		return err
	}
	if len(c.before.subjects) > 1 {
		_, cow, err := findShared(s.proc, vmas, false)
		if err != nil {
			return err
		}
		common := uint64(0)
		for _, p := range cow {
			common += p.Len
		}
		if common > s.status.RssAnon/4 {
			return errors.New("the processes have memory in common since a fork")
		}
	}
	if s.watched() {
		return errors.New("incremental saves watch what it writes")
	}
	if err := c.lockWatch(s.pid, s.start); err != nil {
		return err
	}
	a := &ahead{pid: s.pid, proc: s.proc, kept: newPages()}
	for _, m := range s.classify(vmas) {
		if m.aheadable() {
			a.areas = append(a.areas, m.Area)
		}
	}
	if c.ahead == nil {
		c.ahead = map[int]*ahead{}
	}
	c.ahead[s.pid] = a
	return nil
}

// aheadable reports whether the mapping can be copied ahead: nobody but the process
// changes what it shows. Programs and libraries that are mapped privately count as
// such, though not other files.
func (m *mapping) aheadable() bool {
	switch m.Kind {
	case image.Anonymous:
		return true
	case image.PrivateFile:
		return m.code && !m.vma.Deleted || !m.Whole
	}
	return false
}

// appendRun appends [start, end) to runs in order, of one area.
func appendRun(runs []image.Run, start, end uint64) []image.Run {
	if n := len(runs); n > 0 && runs[n-1].Start+runs[n-1].Len == start {
		runs[n-1].Len += end - start
		return runs
	}
	return append(runs, image.Run{Start: start, Len: end - start})
}

// copyWatched copies everything, and then what changed meanwhile.
func (c *collector) copyWatched(ctx context.Context) error {
	var all []*ahead
	var spaces []image.Space
	for _, a := range c.ahead {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *ahead) int { return a.pid - b.pid })
	for _, a := range all {
		spaces = append(spaces, image.Space{Areas: a.areas, Runs: a.runs})
		c.total += int64(total(a.runs))
	}
	err := aside(ctx, &c.beat, stallLimit, func() error {
		writers, err := c.image.Ahead(spaces)
		if err != nil {
			return &StoreError{c.o.Path, err}
		}
		for i, a := range all {
			a.image = writers[i]
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range all {
		rest := a.runs
		if a.shadow != nil {
			if rest, err = a.shadow.write(ctx, a.image, a.areas, rest); err != nil {
				return err
			}
			a.endShadow()
		}
		err := aside(ctx, &c.beat, stallLimit, func() error { return c.copyRunning(ctx, a, rest, a.image.WriteMemory) })
		if err != nil {
			return err
		}
	}
	return aside(ctx, &c.beat, stallLimit, func() error { return c.copyChanged(ctx, all) })
}

// copyChanged copies what changed while it was copied before, as long as that
// becomes less.
func (c *collector) copyChanged(ctx context.Context, all []*ahead) error {
	last := ^uint64(0)
	for range aheadRounds {
		changed := uint64(0)
		for _, a := range all {
			runs, err := a.changed()
			if err != nil {
				return err
			}
			changed += total(runs)
			if err := c.keep(ctx, a, runs); err != nil {
				return err
			}
			a.makeRoom(total(runs))
		}
		if changed <= aheadCalm || float64(changed) > aheadSlow*float64(last) {
			break
		}
		last = changed
	}
	return nil
}

// changed is what was written to of what was copied, since it was asked before.
func (a *ahead) changed() ([]image.Run, error) {
	var runs []image.Run
	for i := range a.areas {
		var some []image.Run
		err := a.stepwise(&a.areas[i], func(start, end uint64) error {
			return a.watch.written(start, end, true, func(start, end uint64) { some = appendRun(some, start, end) })
		})
		if err != nil {
			return nil, err
		}
		runs = append(runs, some...)
	}
	// What has no place is copied later, but it is armed now.
	a.missed = append(a.missed, subtract(runs, a.runs)...)
	return intersect(runs, a.runs), nil
}

// roomMost is the most memory, in bytes, that is touched for what changes last.
const roomMost = 8 << 20

// makeRoom gets memory for n bytes from the kernel, which takes longer than copying
// them.
func (a *ahead) makeRoom(n uint64) {
	if a.room == nil && n > 0 {
		a.room = make([]byte, roomMost)
		for at := 0; at < min(int(n), roomMost); at += pageSize {
			a.room[at] = 1
		}
	}
}

// keep copies what a running process has written to, mostly pages here and there,
// into memory of ours: writing each to its place takes several times as long (ext4 walks
// all blocks of a large folio for each), while the program writes more. What there is
// no room for is written there all the same.
func (c *collector) keep(ctx context.Context, a *ahead, runs []image.Run) error {
	if total(a.kept.runs)+total(runs) > keptMost {
		a.kept.drop(runs)
		return c.copyRunning(ctx, a, runs, a.image.Rewrite)
	}
	memory := &scattered{pid: a.proc.PID, read: func(buf []byte, addr uint64) (int, error) {
		n, _ := a.mem.ReadAt(buf, int64(addr))
		return n &^ (pageSize - 1), nil
	}}
	err := a.kept.read(ctx, memory, runs, a.miss)
	c.step(total(runs))
	return err
}

// putKept writes what was kept, and has not changed since, to its places. Of what is
// not there any more that does not matter: its place becomes zeros in the end.
func (m *member) putKept(ctx context.Context) error {
	a := m.ahead
	places := intersect(subtract(a.kept.runs, m.changes.need), a.runs) // which end where areas do
	// One goroutine: writes to one file exclude each other.
	return inPieces(ctx, m.c.before.buffers[:1], places, func(p image.Run, buf []byte) error {
		if _, err := a.kept.ReadAt(buf, int64(p.Start)); err != nil {
			return err
		}
		if err := a.image.Rewrite(p.Start, buf); err != nil {
			return &StoreError{m.c.o.Path, err}
		}
		m.c.beat.step()
		return nil
	})
}

// copyRunning copies memory of a process that runs, and may give it back at any
// moment: what is not there any more is found out later.
func (c *collector) copyRunning(ctx context.Context, a *ahead, runs []image.Run, write func(addr uint64, p []byte) error) error {
	return inPieces(ctx, c.before.buffers[:], runs, func(p image.Run, buf []byte) error {
		n, _ := a.mem.ReadAt(buf, int64(p.Start))
		if n -= n % pageSize; n > 0 {
			if err := write(p.Start, buf[:n]); err != nil {
				return &StoreError{c.o.Path, err}
			}
		}
		if n < len(buf) {
			a.miss(image.Run{Start: p.Start + uint64(n), Len: p.Len - uint64(n)})
		}
		c.step(p.Len)
		return nil
	})
}
