package save

import (
	"context"
	"errors"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// findChanges finds out what has changed since memory was copied ahead, and keeps
// it, if it is not too much.
func (c *collector) findChanges(ctx context.Context) error {
	for _, m := range c.members {
		if m.ahead == nil {
			continue
		}
		if err := m.findChanges(ctx); err != nil {
			return m.explain(err)
		}
		n := total(m.changes.need)
		if c.total += int64(n); n > captureMost {
			continue
		}
		if err := m.capture(ctx); err != nil {
			return m.explain(err)
		}
	}
	return nil
}

// errFaster is why memory that was copied ahead is, in part, saved from a twin.
var errFaster = errors.New("the program writes faster than memory is copied")

// muchHasChanged reports whether more has changed in some process than is kept.
func (c *collector) muchHasChanged() bool {
	return slices.ContainsFunc(c.members, func(m *member) bool { return m.changes != nil && m.changes.pages == nil })
}

// twinsOfMuch makes twins of the processes that have changed too much. Where that
// can not be, they stand still while it is copied.
func (c *collector) twinsOfMuch() error {
	for _, m := range c.members {
		if m.changes == nil || m.changes.pages != nil {
			continue
		}
		c.noAhead = m.named(errFaster)
		if err := m.twinLate(); err != nil {
			return m.explain(err)
		}
	}
	return nil
}

// twinLate makes a twin when the state is collected already, if that can be and has
// all of the memory.
func (m *member) twinLate() (err error) {
	in, _, err := m.injector()
	if err != nil {
		return err
	}
	m.noTwin = m.makeTwin(in)
	if err := in.Close(); err != nil || m.twin == nil {
		return err
	}
	_, special, err := m.readFlags(m.vmas)
	if special {
		m.endTwin()
		m.noTwin = errors.New("it has memory that forks do not get")
	}
	return err
}

// mayLayOutLater reports whether nothing is needed of the processes any more to give
// all memory its place.
func (c *collector) mayLayOutLater() (bool, error) {
	if len(c.objects) > 0 || c.inc != nil {
		return false, nil
	}
	if c.before.shelf != nil && len(c.ahead) == 0 {
		if err := c.findMemory(); err != nil {
			return false, err
		}
		now := uint64(0)
		for _, m := range c.members {
			now += total(m.now)
		}
		return now <= uint64(len(c.before.shelf.bytes)), nil
	}
	for _, m := range c.members {
		switch {
		case !m.hasMemory():
		case m.ahead != nil:
			if m.changes.pages == nil && m.twin == nil {
				return false, nil
			}
		case m.twin == nil || !m.flagsLater:
			return false, nil
		default:
			for i := range m.p.Areas {
				if m.p.Areas[i].Kind == image.SharedFile && m.p.Areas[i].Whole {
					return false, nil
				}
			}
		}
	}
	return true, nil
}

// finishAhead ends the watching, and writes all that was kept of the frozen
// processes.
func (c *collector) finishAhead(ctx context.Context) error {
	for _, m := range c.members {
		if m.ahead != nil {
			c.unwatching.Go(m.endWatch)
		}
	}
	err := aside(ctx, &c.beat, stallLimit, func() error {
		kept := make(chan outcome, 1)
		go func() { kept <- call(func() error { return c.putKept(ctx) }) }()
		for _, m := range c.members {
			if m.ahead != nil {
				m.takeFlags(m.ahead.flags())
			}
		}
		if err := errors.Join(c.refusal(), (<-kept).result()); err != nil {
			return err
		}
		return c.layOut()
	})
	if err != nil {
		return err
	}
	for _, m := range c.members {
		switch {
		case m.changes == nil:
		case m.changes.pages != nil:
			err = aside(ctx, &c.beat, stallLimit, func() error { return m.putChanges(ctx, nil) })
		case m.twin != nil:
			err = aside(ctx, &c.beat, stallLimit, func() error { return m.putChanges(ctx, m.twin.Memory()) })
		}
		if err != nil {
			return m.named(err)
		}
	}
	return nil
}

// putKept is that of all processes.
func (c *collector) putKept(ctx context.Context) error {
	for _, m := range c.members {
		if m.ahead != nil {
			if err := m.putKept(ctx); err != nil {
				return m.named(err)
			}
		}
	}
	return nil
}

// endWatch ends the watching bit by bit, since the program runs. What is left of it,
// because memory has changed or the process has ended, goes with the descriptor.
// Nothing waits for it but closeAhead.
func (m *member) endWatch() {
	for i := range m.ahead.areas {
		area := &m.ahead.areas[i]
		_ = m.ahead.watch.remove(uint64(area.Start), uint64(area.End))
	}
}

// takeFlags gives areas their flags. Smaps has them, for which the kernel looks at
// every page: so it is read before and after the process was frozen. What a program
// has changed in between counts: if it was after it was frozen, it will change it
// once more when it is restored. Of what is gone there is what was before.
func (m *member) takeFlags(before []proc.VMA) {
	after, _ := m.s.proc.Smaps() // it may have ended
	for i := range m.p.Areas {
		a := &m.p.Areas[i]
		v := vmaAround(after, a)
		if v == nil {
			v = vmaAround(before, a)
		}
		if v == nil {
			continue
		}
		a.Flags = keepFlags(v)
		if m.ahead != nil && m.ahead.watches(a) {
			now := *v
			now.VmFlags = slices.DeleteFunc(slices.Clone(v.VmFlags), func(f string) bool { return f == "uw" })
			v = &now
		}
		m.s.refuseMapping(&mapping{Area: *a, vma: v})
	}
}

// watches reports whether an area is, or was, watched by us: nobody else can watch it
// then. It can have become longer, as stacks do.
func (a *ahead) watches(area *image.Area) bool {
	i, _ := slices.BinarySearchFunc(a.areas, area.Start, func(x image.Area, at image.Addr) int {
		if x.End <= at {
			return -1
		}
		return 1
	})
	return i < len(a.areas) && a.areas[i].Start < area.End
}

// vmaAround finds the mapping that an area is, or was, a part of.
func vmaAround(list []proc.VMA, a *image.Area) *proc.VMA {
	i, _ := slices.BinarySearchFunc(list, uint64(a.Start), func(v proc.VMA, at uint64) int {
		if v.End <= at {
			return -1
		}
		return 1
	})
	if i == len(list) || list[i].Start > uint64(a.Start) || list[i].End < uint64(a.End) {
		return nil
	}
	lazy := a.Kind == image.Anonymous && a.Whole // it is mapped from an image
	if v := &list[i]; lazy || v.Path == a.Name && kindOf(v) == a.Kind {
		return v
	}
	return nil
}
