package save

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// watch knows which pages of a process are written to. The kernel notes it by
// write protection that it lifts itself at the first write: userfaultfd(2) with
// UFFD_FEATURE_WP_ASYNC, and PAGEMAP_SCAN. A write to a page that is not armed
// costs nothing, the first one to an armed page 1 us.
//
// It knows of stores and of all writes by system calls, its own and of others,
// but not of what devices write to pages that they held before these were armed.
// Direct reads are over when every thread has stopped once since.
//
// What it watches ends with the last descriptor of the userfaultfd, wherever that
// is. Children do not have it, nor memory that was mapped, moved or became longer
// since: see errUnwatched.
type watch struct {
	fd      int // of the userfaultfd, in this process
	pagemap *os.File
	buf     []sys.PageRegion
}

// errUnwatched says that nothing is known of a piece of memory, and that all of
// it has to be taken for written.
var errUnwatched = errors.New("the memory is not watched any more")

// watchKernel is the first kernel whose PAGEMAP_SCAN tells written pages rightly
// while they are swapped out or moved ("fs/proc/task_mmu: fix uffd-wp confusion in
// pagemap_scan_pmd_entry()").
var watchKernel = [2]int{6, 10}

// newWatch makes a watch for the process that in injects into. The process itself
// gets no descriptor: only ours exists, and dies with us.
func newWatch(in *ptrace.Injector, p proc.Process) (*watch, error) {
	w := &watch{fd: -1}
	if err := watchable(); err != nil {
		return nil, err
	}
	err := in.InChild(func(tid int, call func(nr uint64, args ...uint64) (uint64, error)) error {
		fd, err := call(abi.SysUserfaultfd, userfaultfdFlags)
		if err != nil {
			return fmt.Errorf("userfaultfd: %w", err)
		}
		w.fd, err = takeDescriptor(tid, int(fd))
		return err
	})
	if err == nil {
		err = sys.UserfaultfdAsync(w.fd)
	}
	if err == nil {
		w.pagemap, err = os.Open(p.Path("pagemap"))
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// adoptWatch is a watch by a userfaultfd that the process itself holds open, and
// that newWatch or its like has made.
func adoptWatch(p proc.Process, fd int) (*watch, error) {
	w := &watch{fd: -1}
	var err error
	if w.fd, err = takeDescriptor(p.PID, fd); err == nil {
		w.pagemap, err = os.Open(p.Path("pagemap"))
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// userfaultfdFlags are those of userfaultfd(2). Ordinary users may have it so:
// faults of the kernel need not be told, as none are.
const userfaultfdFlags = syscall.O_CLOEXEC | syscall.O_NONBLOCK | sys.UserfaultfdUserModeOnly

// takeDescriptor gives a descriptor of our own for what another process has open.
func takeDescriptor(tid, fd int) (int, error) {
	pidfd, err := sys.PidfdOpen(tid)
	if err != nil {
		return -1, err
	}
	defer syscall.Close(pidfd)
	return sys.PidfdGetfd(pidfd, fd)
}

// watchable gives an error if this kernel can not watch writes.
func watchable() error {
	_, release, err := sys.Uname()
	if err != nil {
		return err
	}
	var major, minor int
	_, _ = fmt.Sscanf(release, "%d.%d", &major, &minor) // else it is an old one
	if major < watchKernel[0] || major == watchKernel[0] && minor < watchKernel[1] {
		return fmt.Errorf("kernels before %d.%d do not tell rightly what was written to", watchKernel[0], watchKernel[1])
	}
	return nil
}

// Close lets go of the userfaultfd and of the page map.
func (w *watch) Close() {
	if w.fd >= 0 {
		_ = syscall.Close(w.fd) // nothing is buffered
		w.fd = -1
	}
	if w.pagemap != nil {
		_ = w.pagemap.Close()
	}
}

// add begins to watch [start, end), which is one mapping. All of its pages count
// as written until they are armed.
func (w *watch) add(start, end uint64) error { return sys.UserfaultfdRegister(w.fd, start, end) }

// removePiece is how much is given up at once: meanwhile, 0.5 ms, the program has
// to wait if it touches a page that is not there.
const removePiece = 16 << 20

// remove ends the watching of [start, end), of which a part can be unmapped.
func (w *watch) remove(start, end uint64) error {
	for start < end {
		to := min(end, start+removePiece)
		// EINVAL: nothing is mapped there, or nothing that can be watched.
		if err := sys.UserfaultfdUnregister(w.fd, start, to); err != nil && !errors.Is(err, syscall.EINVAL) {
			return err
		}
		start = to
	}
	return nil
}

// arm calls visit for all pages of [start, end) that are there and not armed,
// with what they are (sys.PagePresent, PageSwapped, and of tell), and arms them: the
// next write to one makes it a written one. Who reads the memory afterwards can be
// told what has changed since. To tell sys.PageFile takes the kernel twice as long.
func (w *watch) arm(start, end, tell uint64, visit func(start, end, categories uint64)) error {
	const there = sys.PagePresent | sys.PageSwapped
	return w.scan(start, end, true, there, there|tell, visit)
}

// written calls visit for all pages of [start, end) that may have changed since
// they were armed, in order; those that were never there, or are not any more, can
// be among them. With again they are armed once more.
//
// Pages that were armed, and that the program gave back together with all the
// pages of their page table (MADV_DONTNEED of 2 MB), are not: ask armed.
func (w *watch) written(start, end uint64, again bool, visit func(start, end uint64)) error {
	return w.scan(start, end, again, 0, 0, func(start, end, _ uint64) { visit(start, end) })
}

// tableSize is how much memory has its pages in one page table.
const tableSize = 2 << 20

// armed reports whether the page at addr was armed and has not been written to or
// given back since. If it was, so were all others of its page table that written
// does not visit.
func (w *watch) armed(addr uint64) (bool, error) {
	var b [8]byte
	if _, err := w.pagemap.ReadAt(b[:], int64(addr/pageSize*8)); err != nil {
		return false, fmt.Errorf("read the page map of %#x: %w", addr, err)
	}
	return binary.LittleEndian.Uint64(b[:])&pagemapArmed != 0, nil
}

func (w *watch) scan(start, end uint64, arm bool, anyOf, ret uint64, visit func(start, end, categories uint64)) error {
	if w.buf == nil {
		w.buf = make([]sys.PageRegion, 1024)
	}
	for start < end {
		found, next, err := sys.PagemapWritten(w.pagemap, start, end, arm, anyOf, ret, w.buf)
		if errors.Is(err, syscall.EPERM) {
			return errUnwatched
		}
		if err != nil {
			return fmt.Errorf("scan the page map of %#x-%#x: %w", start, end, err)
		}
		for _, r := range found {
			if r.Start < start || r.End > end || r.Start >= r.End {
				return fmt.Errorf("scan the page map of %#x-%#x: the kernel answered %#x-%#x", start, end, r.Start, r.End)
			}
			visit(r.Start, r.End, r.Categories)
			start = r.End
		}
		if next <= start && len(found) == 0 {
			return fmt.Errorf("scan the page map of %#x-%#x: no progress", start, end)
		}
		start = max(start, next)
	}
	return nil
}
