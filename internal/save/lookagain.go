package save

import (
	"context"
	"errors"
	"io/fs"
)

// lookAtAll is look. A single process is looked at by this thread: nothing that is read
// of it waits for anybody, and to wake up another thread takes a third of the time.
func (c *collector) lookAtAll(ctx context.Context) (err error) {
	if len(c.frozen.processes) == 1 {
		err = c.look()
	} else {
		err = aside(ctx, &c.beat, stallLimit, c.look)
	}
	if err != nil {
		return err
	}
	var fresh []*subject // programs that were not looked at before
	for _, m := range c.members {
		if before := c.before.subject(m.s.pid); before == nil || before.exe != m.s.exe {
			fresh = append(fresh, m.s)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	err = aside(ctx, &c.beat, stallLimit, func() error {
		for _, s := range fresh {
			if err := s.checkExecutable(); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, c.refusal())
}

// look reads from /proc what the frozen processes are.
func (c *collector) look() error {
	for _, f := range c.frozen.processes {
		c.members = append(c.members, &member{c: c, index: len(c.members), frozen: f, ahead: c.ahead[f.pid]})
	}
	if err := c.together((*member).look); err != nil {
		return err
	}
	root := c.members[0].s
	if err := root.sameProcess(c.before.start); err != nil {
		return err
	}
	if c.kin.alone {
		if err := c.kin.refuseChildren(root); err != nil {
			return err
		}
	}
	if !apart(c.kin.sharings, c.subjects()) {
		if _, err := findSharing(c.subjects()); err != nil {
			return err
		}
	}
	if err := c.refusal(); err != nil {
		return err
	}
	if err := c.together((*member).findVMAs); err != nil {
		return err
	}
	return c.findParents()
}

// findParents finds out which threads have made the processes.
func (c *collector) findParents() error {
	for _, m := range c.members {
		if m.s.status.Threads < 2 || m.s.zombie || !m.hasChildren() {
			continue
		}
		for _, t := range m.frozen.threads {
			if t.Tid() == m.s.pid {
				continue
			}
			children, err := c.kin.fs.Thread(m.s.pid, t.Tid()).Children()
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a kernel that does not tell
			} else if err != nil {
				return m.explain(err)
			}
			for _, pid := range children {
				if child := c.member(pid); child != nil {
					child.p.ParentThread = t.Tid()
				}
			}
		}
	}
	return nil
}
