package save

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ckpt/internal/image"
)

// collector takes a frozen tree of processes apart.
type collector struct {
	o       Options
	kin     kin
	image   *image.Writer
	before  *prepared
	frozen  *frozenTree
	members []*member      // in the order of the manifest
	ahead   map[int]*ahead // by process id
	noAhead error
	// unwatching are those whose watching is being ended, while the image is written.
	unwatching sync.WaitGroup
	longest    time.Duration // that the processes stood still before frozen
	watchLocks []int
	inc        *incremental // nil: nobody asked for an incremental image
	objects    []object
	spaces     []image.ObjectSpace // for them
	files      *files
	manifest   image.Manifest
	beat       beat

	found   bool // what memory goes into the image
	laidOut bool
	total   int64 // bytes of memory to be copied
	done    atomic.Int64
}

// step notes that n bytes of memory are in the image.
func (c *collector) step(n uint64) {
	c.beat.step()
	if c.o.Progress != nil {
		c.o.Progress(c.done.Add(int64(n)), c.total)
	}
}

// prepare looks at the processes while they run, and refuses them if they would
// not survive.
func (c *collector) prepare() error {
	early := startPrepare(c.kin.fs, c.o.PID)
	report, subjects, err := check(&c.kin, c.o.Path, earlyMaps)
	if err == nil {
		err = report.refusal()
	}
	if err == nil {
		err = refuseBusy(subjects)
	}
	if err != nil {
		return err // what was begun only reads
	}
	c.before, err = early.finish(c.kin.fs, subjects)
	return err
}

// collect describes the frozen processes in the manifest and copies their memory
// and the contents of their files into the image. Only what needs ptrace is done
// on this thread.
func (c *collector) collect(ctx context.Context) error {
	if err := c.lookAtAll(ctx); err != nil {
		return err
	}
	defer func() {
		if c.files != nil {
			c.files.Close()
		}
	}()
	if err := c.askAndDescribe(ctx); err != nil {
		return err
	}
	if err := c.refusal(); err != nil {
		return err
	}
	err := aside(ctx, &c.beat, stallLimit, func() error {
		if err := c.findContents(ctx); err != nil || c.muchHasChanged() {
			return err
		}
		return c.contents(ctx)
	})
	if err == nil && c.muchHasChanged() {
		if err = c.twinsOfMuch(); err == nil {
			err = aside(ctx, &c.beat, stallLimit, func() error { return c.contents(ctx) })
		}
	}
	if err != nil {
		return err
	}
	c.identify()
	// One that is killed loses its memory while it is copied.
	return c.each(func(m *member) error { return m.frozen.alive() })
}

// each does something with all processes, and says with which of them it failed.
func (c *collector) each(do func(*member) error) error {
	for _, m := range c.members {
		if err := do(m); err != nil {
			return m.explain(err)
		}
	}
	return nil
}

// together is each on all processors. do uses what belongs to its process only.
func (c *collector) together(do func(*member) error) error {
	return c.first(spread(len(c.members), 1, func(i int) error { return do(c.members[i]) }))
}

// first is the first of the processes' errors.
func (c *collector) first(errs []error) error {
	for i, err := range errs {
		if err != nil {
			return c.members[i].explain(err)
		}
	}
	return nil
}

// explain finds the words for an error that need not say which process it is
// about.
func (c *collector) explain(err error) error {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return err
	}
	// One that was killed while it stood is told as gone before it is seen to be.
	for end := time.Now().Add(endTime); ; time.Sleep(time.Millisecond) {
		for _, f := range c.frozen.processes {
			if len(f.threads) > 0 && c.kin.over(f.pid) {
				return ended(f.pid)
			}
		}
		if !errors.Is(err, syscall.ESRCH) || time.Now().After(end) {
			return err
		}
	}
}

// findContents finds the memory and the open files of the processes.
func (c *collector) findContents(ctx context.Context) error {
	if err := c.together((*member).findMappings); err != nil {
		return err
	}
	c.files.refuseDestination(c.o.Path)
	for _, m := range c.members {
		m.listAreas(c.files)
	}
	c.spaces = c.findObjects()
	return c.findChanges(ctx)
}

// contents copies what is in memory and files, as far as that can not wait until
// the processes run again.
func (c *collector) contents(ctx context.Context) (err error) {
	if later, err := c.mayLayOutLater(); err != nil {
		return err
	} else if !later {
		if err := c.layOut(); err != nil {
			return err
		}
	}
	if c.manifest.Files, err = c.files.describe(&c.kin, c.payloads(ctx)); err != nil {
		return err
	}
	if err := c.refusal(); err != nil {
		return err
	}
	if err := c.copyObjects(ctx); err != nil {
		return err
	}
	little := c.before.shelf != nil
	err = c.together(func(m *member) error {
		m.p.Descriptors = c.files.descriptors(m.s)
		if little && m.ahead == nil {
			return m.copyLittle(ctx)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.each(func(m *member) error {
		switch {
		case m.changes != nil && m.changes.pages == nil && m.twin == nil:
			return m.putChanges(ctx, m.frozen.mem)
		case little:
			return nil
		}
		return m.copyFrozen(ctx)
	})
}

// findMemory finds out what memory goes into the image, and when it is copied.
func (c *collector) findMemory() error {
	if c.found {
		return nil
	}
	c.found = true
	if err := c.together((*member).findMemory); err != nil {
		return err
	}
	if err := c.findSame(); err != nil {
		return err
	}
	for _, m := range c.members {
		m.order()
		if m.ahead == nil {
			c.total += int64(total(m.runs))
		}
	}
	return nil
}

// layOut gives all memory its place in the image.
func (c *collector) layOut() error {
	if c.laidOut {
		return nil
	}
	c.laidOut = true
	layout := image.Layout{Objects: c.spaces}
	if err := c.findMemory(); err != nil {
		return err
	}
	for _, m := range c.members {
		space := image.Space{Areas: m.p.Areas, Runs: m.runs, Same: m.same, Kept: m.kept}
		if m.ahead != nil {
			space.Ahead = m.ahead.image
		}
		layout.Processes = append(layout.Processes, space)
	}
	if err := c.refusal(); err != nil {
		return err
	}
	if err := c.image.Layout(layout); err != nil {
		return &StoreError{c.o.Path, err}
	}
	return nil
}

// member is the process with that id, nil if it is not one of them.
func (c *collector) member(pid int) *member {
	for _, m := range c.members {
		if m.frozen.pid == pid {
			return m
		}
	}
	return nil
}

func (c *collector) subjects() []*subject {
	var all []*subject
	for _, m := range c.members {
		all = append(all, m.s)
	}
	return all
}

// refusal is what collecting found and check had not: the processes changed in
// between.
func (c *collector) refusal() error { return refusal(c.subjects()) }

func (c *collector) warnings() []Finding { return warnings(c.subjects()) }

// identify completes the manifest.
func (c *collector) identify() {
	var id [16]byte
	rand.Read(id[:]) // never fails
	host := c.before.host
	describeXSave(&host, living(c.members[0].p.Threads).XSave)
	m := &c.manifest
	m.Version, m.ID, m.Created = image.ManifestVersion, fmt.Sprintf("%x", id), time.Now().UTC()
	m.Engine, m.Trigger, m.Host = c.o.Version, c.o.Trigger, host
	if c.inc != nil {
		m.Parent = c.inc.parent
	}
	for _, one := range c.members {
		m.Processes = append(m.Processes, one.p)
	}
}

// noTwin is why the processes stand still while their memory is saved, or nil.
func (c *collector) noTwin() error {
	i := slices.IndexFunc(c.members, func(m *member) bool { return m.noTwin != nil })
	if i < 0 {
		return nil
	}
	return c.members[i].named(c.members[i].noTwin)
}

// finishTwins takes from the twins what was not taken while the processes stood
// still.
func (c *collector) finishTwins(ctx context.Context) error {
	err := aside(ctx, &c.beat, stallLimit, func() error {
		confirmed := make(chan outcome, 1)
		go func() { confirmed <- call(c.confirmFlags) }()
		err := c.emptyShelf(ctx)
		if err == nil {
			err = c.copyUnread(ctx)
		}
		return errors.Join((<-confirmed).result(), err)
	})
	if err != nil {
		return err
	}
	for _, m := range c.members {
		if m.flagsLater {
			m.readLater()
		}
	}
	if c.o.Compress > 0 {
		if err := c.compress(ctx); err != nil {
			return err
		}
	}
	for _, m := range c.members {
		if err := m.finishTwin(ctx); err != nil {
			return m.named(err)
		}
	}
	return nil
}

func (c *collector) endTwins() {
	for _, m := range c.members {
		m.endTwin()
	}
}
