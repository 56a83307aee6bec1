package save

import (
	"context"
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

// laterFlags are flags that are read while the process runs again.
type laterFlags struct {
	twin, process []proc.VMA
	err           error
	done          chan struct{}
}

// readLater begins to read the flags of the twin's mappings, and those of the
// process: what userfaultfd watches is not told of a twin.
func (m *member) readLater() {
	l := &laterFlags{done: make(chan struct{})}
	twin, process := m.c.kin.fs.Process(m.twin.Tid()), m.s.proc
	m.flags = l
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
	find := func(list []proc.VMA, a *image.Area) *proc.VMA {
		i, ok := slices.BinarySearchFunc(list, uint64(a.Start), func(v proc.VMA, at uint64) int {
			switch {
			case v.Start < at:
				return -1
			case v.Start > at:
				return 1
			}
			return 0
		})
		if !ok || list[i].End != uint64(a.End) {
			return nil
		}
		return &list[i]
	}
	for i := range m.p.Areas {
		a := &m.p.Areas[i]
		v := find(l.twin, a)
		if v == nil {
			return fmt.Errorf("memory at %s-%s: %w", a.Start, a.End, syscall.EFAULT) // of the twin, which nobody changes
		}
		a.Flags = keepFlags(v)
		m.s.refuseMapping(&mapping{Area: *a, vma: v})
		if v := find(l.process, a); v != nil {
			m.s.refuseMapping(&mapping{Area: *a, vma: v})
		}
	}
	return m.c.refusal()
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
func gentleMaps(p proc.Process) ([]proc.VMA, error) {
	st, err := p.Status()
	if err != nil {
		return nil, err
	}
	if st.VmRSS <= gentleSize {
		return p.Smaps()
	}
	return quickMaps(p)
}

// gentleSize is how much resident memory the kernel looks at in 2 ms, in bytes.
const gentleSize = 64 << 20
