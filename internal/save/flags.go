package save

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

// The VmFlags of mappings are told by /proc/PID/smaps only, for which the kernel
// looks at every resident page: 25 ms for 1 GB. So a process that has a twin is
// let go before it is read. What must be known earlier is found in other ways:
// which memory forks do not get (MADV_DONTFORK, MADV_WIPEONFORK), is locked, or
// belongs to a file that was opened for writing.

// readFlags gives mappings, as Maps lists them, the flags that matter while the
// process is frozen. complete tells whether these are all.
func (m *member) readFlags(vmas []proc.VMA) (with []proc.VMA, complete bool, err error) {
	if m.s.status.VmLck == 0 && m.copiedAhead() {
		m.baseFlags(vmas)
		return vmas, false, nil
	}
	if m.twin == nil && m.c.before.little && m.s.status.VmLck == 0 {
		if before := m.c.before.subject(m.s.pid); before != nil && useEarly(before.early, vmas) {
			m.early = before.early
			return vmas, true, nil
		}
	}
	if m.twin == nil || m.s.status.VmLck > 0 {
		with, err = m.s.proc.Smaps()
		return with, true, err
	}
	there, err := m.c.kin.fs.Process(m.twin.Tid()).Maps()
	if err != nil {
		return nil, false, fmt.Errorf("mappings of the copy of the process: %w", err)
	}
	has := map[uint64]uint64{}
	for i := range there {
		has[there[i].Start] = there[i].End
	}
	for i := range vmas {
		if vmas[i].Start < uint64(image.MaxAddr) && has[vmas[i].Start] != vmas[i].End {
			with, err = m.s.proc.Smaps() // MADV_DONTFORK, and whatever else it has
			return with, true, err
		}
	}
	if wiped, err := m.wiped(vmas); err != nil || wiped {
		with, err = m.s.proc.Smaps()
		return with, true, err
	}
	hintFlags(m.s.proc, vmas)
	return vmas, false, nil
}

// baseFlags gives mappings the flags that they had in the base of an incremental
// image. Whether they still have them is looked at when the process runs again.
func (m *member) baseFlags(vmas []proc.VMA) {
	hintFlags(m.s.proc, vmas)
	base := m.c.inc.of(m).base
	for i := range vmas {
		if flags, known := base.flags(&vmas[i]); known {
			vmas[i].VmFlags = flags
		}
	}
}

// wiped reports whether there is an area that is empty in the twin but not in
// the process: with MADV_WIPEONFORK, or droppable, which is wiped as well. Errors
// say that the kernel does not tell.
func (m *member) wiped(vmas []proc.VMA) (bool, error) {
	ours, err := newPageScanner(m.s.proc)
	if err != nil {
		return false, err
	}
	defer ours.Close()
	twins, err := newPageScanner(m.c.kin.fs.Process(m.twin.Tid()))
	if err != nil {
		return false, err
	}
	defer twins.Close()
	for i := range vmas {
		v := &vmas[i]
		if kindOf(v) != image.Anonymous || v.Start >= uint64(image.MaxAddr) {
			continue // only those can be wiped; the last is the vsyscall page, which has no page map
		}
		kept, err := twins.any(v.Start, v.End)
		if err != nil {
			return false, err
		}
		if kept {
			continue
		}
		if had, err := ours.any(v.Start, v.End); err != nil || had {
			return had, err
		}
	}
	return false, nil
}

// hintFlags gives shared mappings of files the flag that says whether the file
// was opened for writing: the kernel's link to it has that mode
// (proc_pid_map_files(5)).
func hintFlags(p proc.Process, vmas []proc.VMA) {
	for i := range vmas {
		v := &vmas[i]
		if kindOf(v) != image.SharedFile {
			continue
		}
		info, err := os.Lstat(p.MapFile(v.Start, v.End))
		if v.Write || err == nil && info.Mode()&0o200 != 0 {
			v.VmFlags = []string{"mw"}
		}
	}
}

// suspicious reports whether mappings may have flags that stand against saving
// the process, and that should be known before it is frozen.
func suspicious(vmas []proc.VMA) bool {
	return slices.ContainsFunc(vmas, func(v proc.VMA) bool {
		return strings.Contains(v.Path, "hugepage") ||
			strings.HasPrefix(v.Path, "/dev/") && !strings.HasPrefix(v.Path, "/dev/shm/") && v.Path != "/dev/zero"
	})
}

// laterFlags are flags that are read while the process runs again. Of what was
// copied ahead there is no twin.
type laterFlags struct {
	twin, process []proc.VMA
	err           error
	done          chan struct{}
}

// readLater begins to read the flags of the twin's mappings, and those of the
// process: what userfaultfd watches is not told of a twin.
func (m *member) readLater() {
	l := &laterFlags{done: make(chan struct{})}
	process := m.s.proc
	m.flags = l
	if shadow := m.writer != nil; shadow || m.twin == nil {
		go func() {
			defer close(l.done)
			if l.process, l.err = process.Smaps(); shadow {
				l.twin = l.process // it has the same memory
			}
		}()
		return
	}
	twin := m.c.kin.fs.Process(m.twin.Tid())
	go func() {
		defer close(l.done)
		if l.twin, l.err = twin.Smaps(); l.err == nil {
			l.process, _ = process.Smaps() // it may have ended
		}
	}()
}

// take gives the areas their flags, and refuses those that can not be saved.
func (l *laterFlags) take(ctx context.Context, m *member) error {
	err := aside(ctx, &m.c.beat, stallLimit, func() error {
		<-l.done
		return l.err
	})
	if err != nil {
		return fmt.Errorf("flags of mappings: %w", err)
	}
	if l.twin == nil {
		return l.compare(m)
	}
	for i := range m.p.Areas {
		a := &m.p.Areas[i]
		v := findArea(l.twin, a)
		if v == nil {
			return fmt.Errorf("memory at %s-%s: %w", a.Start, a.End, syscall.EFAULT) // of the twin, which nobody changes
		}
		a.Flags = keepFlags(v)
		m.s.refuseMapping(&mapping{Area: *a, vma: v})
		if v := findArea(l.process, a); v != nil {
			m.s.refuseMapping(&mapping{Area: *a, vma: v})
		}
	}
	return m.c.refusal()
}

// compare compares the flags that areas have now with those that they had in the
// base. Where they differ, or are new, and more than that is not known, the image
// can not be incremental.
func (l *laterFlags) compare(m *member) error {
	base := m.c.inc.of(m).base
	for i := range m.p.Areas {
		a := &m.p.Areas[i]
		v := findArea(l.process, a)
		if v == nil {
			return errFlags // it was unmapped meanwhile
		}
		m.s.refuseMapping(&mapping{Area: *a, vma: v})
		now := keepFlags(v)
		if _, known := base.flags(v); known && !slices.Equal(now, a.Flags) || !known && slices.Contains(now, "dp") {
			return errFlags
		}
		a.Flags = now
	}
	return m.c.refusal()
}

// findArea is the mapping that is the area, or nil.
func findArea(list []proc.VMA, a *image.Area) *proc.VMA {
	i, ok := slices.BinarySearchFunc(list, uint64(a.Start), func(v proc.VMA, at uint64) int { return cmp.Compare(v.Start, at) })
	if !ok || list[i].End != uint64(a.End) {
		return nil
	}
	return &list[i]
}

// quickMaps is Maps with the flags that can be had without smaps, or Smaps where
// that is not enough to know what can not be saved.
func quickMaps(p proc.Process) ([]proc.VMA, error) {
	vmas, err := p.Maps()
	if err != nil {
		return nil, err
	}
	if suspicious(vmas) {
		return p.Smaps()
	}
	hintFlags(p, vmas)
	return vmas, nil
}

// gentleMaps is Smaps of a process that is small, else quickMaps. While the kernel
// looks at the pages of a mapping, whoever maps or unmaps something waits for it.
func gentleMaps(s *subject) ([]proc.VMA, error) {
	if s.status.VmRSS <= gentleSize {
		return s.proc.Smaps()
	}
	return quickMaps(s.proc)
}

// gentleSize is how much resident memory the kernel looks at in 2 ms, in bytes.
const gentleSize = 64 << 20

// earlyMaps is what a save begins with: Smaps of a process that will have no twin
// and so needs its flags when it is frozen, if nothing has changed until then.
func earlyMaps(s *subject) ([]proc.VMA, error) {
	if s.status.VmRSS > earlySize {
		return quickMaps(s.proc)
	}
	vmas, err := s.proc.Smaps()
	s.early = vmas
	return vmas, err
}

// earlySize is how much memory a process can have that isLittle, in bytes.
const earlySize = 8 << 20

// useEarly gives mappings the flags that they had before the process was frozen, if
// they are the same mappings.
func useEarly(early, vmas []proc.VMA) bool {
	if len(early) != len(vmas) {
		return false
	}
	for i := range vmas {
		if !vmas[i].Same(&early[i]) {
			return false
		}
		vmas[i].VmFlags, vmas[i].ProtectionKey = early[i].VmFlags, early[i].ProtectionKey
	}
	return true
}

// confirmFlags looks once more at the flags of mappings that were read before the
// processes were frozen.
func (c *collector) confirmFlags() error {
	err := c.together(func(m *member) error {
		if m.early == nil {
			return nil
		}
		m.takeFlags(m.early)
		return m.confirmDropped()
	})
	return errors.Join(err, c.refusal())
}

// errDroppable says that memory of the program was taken for ordinary and is
// droppable.
var errDroppable = errors.New("the program mapped droppable memory (MAP_DROPPABLE) while it was being saved")

// confirmDropped gives an error if the image has content of droppable memory, which
// took the place of other memory after that was looked at. It must not be there
// (see appendRuns).
func (m *member) confirmDropped() error {
	for i := range m.p.Areas {
		a := &m.p.Areas[i]
		if v := findArea(m.early, a); v != nil && a.HasFlag("dp") && !v.HasFlag("dp") {
			return errDroppable
		}
	}
	return nil
}
