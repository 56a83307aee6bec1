package save

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// member is one of the processes that are saved together, taken apart.
type member struct {
	c        *collector
	index    int // among all, and in the manifest
	frozen   *frozen
	s        *subject
	p        image.Process // as it has told, and then all
	told     image.Process // by /proc
	vmas     []proc.VMA
	mappings []mapping

	turn       *ptrace.Turn
	asked      bool // for its attributes
	twin       *ptrace.Twin
	writer     *twinWriter  // the twin, when it has the image; from the beginning, if it is a shadow
	noTwin     error        // why there is none
	early      []proc.VMA   // mappings with the flags that they had before
	flagsLater bool         // the areas have not all their flags yet
	flags      *laterFlags  // they are being read
	ahead      *ahead       // what was copied of it while it ran
	changes    *changes     // since then
	private    []image.Run  // pages that are its own; nil: nobody has looked
	cow        []cowPages   // of these, what others may have as well
	touched    []image.Run  // memory that injected calls used
	stored     []image.Run  // all of its memory that is in the image
	same       []image.Same // of that, what is an earlier process's
	runs       []image.Run  // and what is its own
	kept       []image.Run  // what is in the base of an incremental image, and in no other list
	delta      []image.Run  // of its own, what was copied ahead for an incremental image
	shelved    []shelved    // of its own, what is to be written when it runs again
	unread     unread       // and what files have then as well
	now, later []image.Run  // of that, what is to be copied while it is frozen, and what the twin holds as well
}

// named says of which process the error is, if there are several.
func (m *member) named(err error) error {
	if len(m.c.members) == 1 || m.s == nil {
		return err
	}
	return fmt.Errorf("%s: %w", m.s.name(), err)
}

// explain finds the words for an error in the middle of looking at the process.
func (m *member) explain(err error) error {
	return m.named(explain(m.c.kin.fs, m.frozen.pid, err))
}

// look reads from /proc what the frozen process is.
func (m *member) look() (err error) {
	if m.s, err = look(m.c.kin.fs, m.frozen.pid); err == nil {
		m.s.still = m.c.inc == nil
	}
	return err
}

// findVMAs finds out what is mapped, and what of it others may have as well.
func (m *member) findVMAs() (err error) {
	if m.s.zombie {
		return nil
	}
	if m.vmas, err = m.s.proc.Maps(); err != nil {
		return err
	}
	if m.mayShare() && !m.c.before.little {
		return m.findShared()
	}
	return nil
}

// mayShare reports whether other processes may have pages of this one.
func (m *member) mayShare() bool {
	return len(m.c.members) > 1 && m.hasMemory() && m.ahead == nil
}

// describe fills in what /proc tells.
func (m *member) describe() error {
	if m.s.zombie {
		m.s.describeZombie(&m.told)
		return nil
	}
	if err := m.s.describe(&m.told); err != nil {
		return err
	}
	switch {
	case m.mayShare() && m.c.before.little: // no twins will have all of it
		return m.findShared()
	case len(m.c.members) == 1 && m.c.before.little:
		return m.findPrivate()
	}
	return nil
}

// findShared finds the pages that are the process's own, and those of them that others
// may have as well.
func (m *member) findShared() (err error) {
	m.private, m.cow, err = findShared(m.s.proc, m.vmas, m.s.status.VmRSS <= earlySize)
	return err
}

// findPrivate is findShared where there are no others.
func (m *member) findPrivate() error {
	scanner, err := newPageScanner(m.s.proc)
	if err != nil {
		return err
	}
	defer scanner.Close()
	m.private, err = scanner.everywhere(m.vmas, m.s.status.VmRSS <= earlySize)
	return err
}

// complete puts together what the process has told and what /proc has.
func (m *member) complete() {
	asked, p := m.p, &m.p
	*p = m.told
	p.ParentThread = asked.ParentThread
	if m.s.zombie {
		return
	}
	p.Memory.Brk = asked.Memory.Brk
	p.Threads, p.Signals, p.Timers = asked.Threads, asked.Signals, asked.Timers
	p.Stopped, p.Untold = asked.Stopped, asked.Untold
	p.Attributes.Dumpable, p.Attributes.KeepCaps = asked.Attributes.Dumpable, asked.Attributes.KeepCaps
	p.Attributes.THPDisable, p.Attributes.Subreaper = asked.Attributes.THPDisable, asked.Attributes.Subreaper
}

// findMappings finds out what is mapped in the process.
func (m *member) findMappings() error {
	if !m.hasMemory() {
		return nil
	}
	if m.ahead != nil {
		hintFlags(m.s.proc, m.vmas)
		m.classify(m.vmas)
		return nil
	}
	vmas, complete, err := m.readFlags(m.vmas)
	if err != nil {
		return err
	}
	m.flagsLater = !complete
	m.classify(vmas)
	return nil
}

// classify makes the mappings of what is mapped.
func (m *member) classify(vmas []proc.VMA) {
	m.s.images = mappedImages(vmas, m.frozen.mem)
	m.mappings = m.s.classify(dropLeftovers(vmas, m.frozen.mem, m.threads(), m.s.images))
}

// hasMemory reports whether the process has memory that is saved with it, and
// not with another one.
func (m *member) hasMemory() bool { return !m.s.zombie && m.s.shares.Memory == 0 }

// threads are all that run in the memory of the process.
func (m *member) threads() []*image.Thread {
	var all []*image.Thread
	for _, other := range m.c.members {
		if other != m && other.s.shares.Memory != m.s.pid {
			continue
		}
		for i := range other.p.Threads {
			all = append(all, &other.p.Threads[i])
		}
	}
	return all
}

// listAreas lists what is mapped, with the files.
func (m *member) listAreas(files *files) {
	files.addMappings(m.s, m.mappings)
	m.s.refuseDestination(m.c.o.Path, m.mappings)
	for _, area := range m.mappings {
		m.p.Areas = append(m.p.Areas, area.Area)
	}
}

// findMemory finds out what of the process's memory goes into the image as its
// own.
func (m *member) findMemory() error {
	if !m.hasMemory() {
		return nil
	}
	if m.ahead != nil {
		var err error
		m.runs, err = findRuns(m.changes.visitPrivate(), m.p.Areas, len(m.c.objects) > 0)
		return err
	}
	of := m.s.proc
	if m.c.frozen.freed {
		of = m.c.kin.fs.Process(m.twin.Tid())
	}
	t := m.c.inc.of(m)
	if t == nil && m.private != nil && m.c.before.little {
		// Nothing has changed since but what injected calls have written, and that
		// was put back.
		var err error
		m.runs, err = findRuns(visitRuns(m.private), m.p.Areas, len(m.c.objects) > 0)
		return err
	}
	scanner, err := newPageScanner(of)
	if err != nil {
		return err
	}
	defer scanner.Close()
	for i := range m.p.Areas {
		a := &m.p.Areas[i]
		if t != nil && tracked(a) {
			c, err := t.content(scanner, a)
			if err == nil {
				m.kept, m.delta = append(m.kept, c.kept...), append(m.delta, c.ahead...)
				m.runs = append(m.runs, union(c.ahead, c.rest)...)
				continue
			} else if !errors.Is(err, errUntracked) {
				return err
			}
		}
		if m.runs, err = appendRuns(m.runs, scanner.inArea, a, len(m.c.objects) > 0); err != nil {
			return err
		}
	}
	return nil
}

// copiedAhead reports whether what was written to was copied before the process was
// frozen, so that it needs no twin.
func (m *member) copiedAhead() bool {
	t := m.c.inc.of(m)
	return t != nil && t.ahead != nil
}

// order decides when the memory is copied.
func (m *member) order() {
	switch m.now = m.runs; {
	case m.ahead != nil:
		m.now = nil // see putChanges
	case m.twin != nil:
		m.now, m.later = split(m.runs, m.p.Areas)
	case len(m.delta) > 0:
		m.later = intersect(m.runs, m.delta)
		m.now = subtract(m.runs, m.later)
	case m.c.before.shelf != nil && m.c.inc == nil && !m.c.o.readFrozen:
		m.leaveUnread()
	}
}

// copyFrozen copies the memory that has to be copied while the process is
// frozen.
func (m *member) copyFrozen(ctx context.Context) error {
	if len(m.now) == 0 {
		return nil
	}
	return m.copier(m.withFiles(m.frozen.mem)).copy(ctx, m.now)
}

// space is where the memory of the process goes.
func (m *member) space() *image.SpaceWriter { return m.c.image.Process(m.index) }

// copier copies memory of the process into the image, or only reads it as long as that
// has no places.
func (m *member) copier(mem io.ReaderAt) *copier {
	c := &copier{mem: mem, path: m.c.o.Path, areas: m.p.Areas, buffers: m.c.before.buffers, step: m.c.step}
	if m.c.laidOut {
		c.image = m.space()
	}
	return c
}

func (m *member) endTwin() {
	if m.twin != nil {
		m.twin.Kill()
		m.twin, m.writer = nil, nil
	}
}
