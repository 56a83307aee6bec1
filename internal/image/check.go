package image

import (
	"errors"
	"fmt"

	"ckpt/internal/abi"
)

// numLimits is the number of resource limits (RLIM_NLIMITS,
// include/uapi/asm-generic/resource.h).
const numLimits = 16

// arch is the GOARCH of machine.
const arch = "amd64"

// check checks everything that a reader of the manifest relies on. It is the
// same for what is written and for what is read.
func (m *Manifest) check() error {
	switch {
	case !known(m.Version):
		return fmt.Errorf("version %d instead of %d", m.Version, ManifestVersion)
	case m.Host.Arch != arch:
		return fmt.Errorf("architecture %q in an image of %s", m.Host.Arch, arch)
	case m.Host.PageSize != PageSize:
		return fmt.Errorf("page size %d instead of %d", m.Host.PageSize, PageSize)
	}
	if err := m.checkParent(); err != nil {
		return err
	}
	for i, f := range m.Files {
		if f.ID != i || f.Kind == "" {
			return fmt.Errorf("file %d has id %d and kind %q", i, f.ID, f.Kind)
		}
	}
	objects, err := checkObjects(m.Objects)
	if err != nil {
		return err
	}
	for i := range m.Processes {
		p := &m.Processes[i]
		err := p.check(len(m.Files))
		if err == nil {
			err = checkWindows(p.Areas, objects)
		}
		if err != nil {
			return fmt.Errorf("process %d: %w", p.PID, err)
		}
	}
	return m.checkTree()
}

func (p *Process) check(files int) error {
	if p.PID <= 0 || len(p.Threads) == 0 || p.Threads[0].TID != p.PID {
		return fmt.Errorf("the first of %d threads is not the leader", len(p.Threads))
	}
	if len(p.Limits) != numLimits && !p.Zombie {
		return fmt.Errorf("%d resource limits instead of %d", len(p.Limits), numLimits)
	}
	if err := checkAreas(p.Areas, files); err != nil {
		return err
	}
	if err := p.checkThreads(); err != nil {
		return err
	}
	if p.Zombie && (len(p.Threads) > 1 || !p.Threads[0].Dead || len(p.Areas)+len(p.Descriptors)+len(p.Auxv) > 0) {
		return errors.New("it has ended, but has threads, memory or descriptors")
	}
	fds := make(map[int]bool, len(p.Descriptors))
	for _, d := range p.Descriptors {
		if d.FD < 0 || fds[d.FD] || d.File < 0 || d.File >= files {
			return fmt.Errorf("descriptor %d is there twice or refers to file %d of %d", d.FD, d.File, files)
		}
		fds[d.FD] = true
	}
	for sig := range p.Signals.Actions {
		if sig < 1 || sig > abi.NSig {
			return fmt.Errorf("action of signal %d", sig)
		}
	}
	return checkPending(p.Signals.Pending)
}

func (p *Process) checkThreads() error {
	for i := range p.Threads {
		t := &p.Threads[i]
		switch {
		case t.TID <= 0:
			return fmt.Errorf("thread %d", t.TID)
		case t.Dead && i > 0:
			return fmt.Errorf("thread %d has ended, and is not the leader", t.TID)
		case t.Dead && len(p.Threads) == 1 && !p.Zombie:
			return errors.New("its only thread has ended")
		}
		if err := checkPending(t.Pending); err != nil {
			return fmt.Errorf("thread %d: %w", t.TID, err)
		}
	}
	return nil
}

func checkPending(pending [][]byte) error {
	for _, info := range pending {
		if len(info) != abi.SiginfoSize {
			return fmt.Errorf("pending signal of %d bytes instead of %d", len(info), abi.SiginfoSize)
		}
	}
	return nil
}

// checkAreas checks that areas are whole pages of user addresses, in order and
// apart from each other.
func checkAreas(areas []Area, files int) error {
	low := Addr(0)
	for i := range areas {
		a := &areas[i]
		switch {
		case a.Start < low || a.End <= a.Start || a.End > MaxAddr || (a.Start|a.End)%PageSize != 0:
			return fmt.Errorf("area %v-%v overlaps another, is not in order, no whole pages or above %v", a.Start, a.End, MaxAddr)
		case a.File < -1 || a.File >= files:
			return fmt.Errorf("area %v-%v refers to file %d of %d", a.Start, a.End, a.File, files)
		}
		switch a.Kind {
		case Anonymous, PrivateFile, SharedFile, SharedAnonymous, VDSO, VVar:
		default:
			return fmt.Errorf("area %v-%v is of unknown kind %q", a.Start, a.End, a.Kind)
		}
		if err := a.checkDirty(); err != nil {
			return err
		}
		low = a.End
	}
	return nil
}

// checkDirty checks that the ranges are whole pages of the area, in order.
func (a *Area) checkDirty() error {
	low := a.Start
	for _, r := range a.Dirty {
		if r.Start < low || r.End <= r.Start || r.End > a.End || (r.Start|r.End)%PageSize != 0 {
			return fmt.Errorf("range %v-%v is not inside area %v-%v or not in order", r.Start, r.End, a.Start, a.End)
		}
		low = r.End
	}
	return nil
}

// checkLayout checks what the extended state of threads is read by.
func (c *CPU) checkLayout() error {
	for _, x := range c.XSaveLayout {
		if x.Feature > 62 || x.Offset > xsaveMaximum || x.Size > xsaveMaximum {
			return fmt.Errorf("extended state %d at %d+%d", x.Feature, x.Offset, x.Size)
		}
	}
	return nil
}

// checkStates checks the bytes that are beside the manifest's JSON.
func (p *Process) checkStates() error {
	for i := range p.Threads {
		if err := p.Threads[i].checkState(); err != nil {
			return fmt.Errorf("thread %d: %w", p.Threads[i].TID, err)
		}
	}
	return nil
}

func (t *Thread) checkState() error {
	if n := len(t.XSave); n != 0 && (n < xsaveMin || n > xsaveMaximum) {
		return fmt.Errorf("extended state of %d bytes", n)
	}
	if t.Dead && (len(t.XSave) > 0 || t.Regs != abi.Regs{}) {
		return errors.New("it has ended, but has registers")
	}
	if _, remainder := t.Regs.Sleep(); t.RestOfSleep && remainder == 0 {
		return errors.New("rest of a sleep, but it is about to make another call")
	}
	return nil
}
