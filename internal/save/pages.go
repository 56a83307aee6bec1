package save

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

const pageSize = 4096

// pageScanner finds the pages of a process that are worth saving, by
// PAGEMAP_SCAN or, on kernels before 6.7, by reading /proc/PID/pagemap.
type pageScanner struct {
	pagemap *os.File
	buf     []sys.PageRegion
	noScan  bool // the kernel does not have PAGEMAP_SCAN
	// gentle: the process runs, and should not wait for the kernel's look at its
	// memory (mmap_lock) longer than a millisecond.
	gentle bool
}

// gentlePages is how many pages a gentle scan looks at before others get their turn.
const gentlePages = 32 << 20 / pageSize

func newPageScanner(p proc.Process) (*pageScanner, error) {
	f, err := os.Open(p.Path("pagemap"))
	if err != nil {
		return nil, fmt.Errorf("open the page map: %w", err)
	}
	return &pageScanner{pagemap: f}, nil
}

func (s *pageScanner) Close() error { return s.pagemap.Close() }

// private calls visit for each run of pages in [start, end) that the process
// has a private copy of: written to, and not the shared zero page or a page of
// the mapped file.
func (s *pageScanner) private(start, end uint64, visit func(start, end uint64)) error {
	return s.but(notPrivate, start, end, visit)
}

// inArea is private for memory of an area.
func (s *pageScanner) inArea(a *image.Area, start, end uint64, visit func(start, end uint64)) error {
	return s.but(others(a), start, end, visit)
}

// others are the categories of those pages of an area that are not private. Where no
// file is mapped the kernel need not look whether pages belong to one, which takes
// four times as long as all the rest.
func others(a *image.Area) uint64 {
	if a.Kind == image.Anonymous && !a.Whole && (a.Name == "" || a.Name == "[heap]" || a.Name == "[stack]" || strings.HasPrefix(a.Name, "[anon:")) {
		return sys.PageZero
	}
	return notPrivate
}

// but calls visit for each run of pages in [start, end) that are there and of none of
// these categories.
func (s *pageScanner) but(categories, start, end uint64, visit func(start, end uint64)) error {
	if !s.noScan {
		err := s.scan(start, end, categories, sys.PagePresent|sys.PageSwapped, visit)
		if !errors.Is(err, syscall.ENOTTY) {
			return err
		}
		s.noScan = true
	}
	return s.read(start, end, visit)
}

// everywhere lists the private pages of all mappings whose memory is a process's own.
// If the process is small, all are looked at together.
func (s *pageScanner) everywhere(vmas []proc.VMA, small bool) (runs []image.Run, err error) {
	add := func(start, end uint64) { runs = append(runs, image.Run{Start: start, Len: end - start}) }
	var own []image.Run
	for i := range vmas {
		v := &vmas[i]
		if k := kindOf(v); (k == image.Anonymous || k == image.PrivateFile) && v.Start < uint64(image.MaxAddr) {
			own = append(own, image.Run{Start: v.Start, Len: v.Size()})
		}
	}
	if len(own) == 0 {
		return nil, nil
	}
	if small && !s.noScan {
		last := own[len(own)-1]
		err := s.scan(own[0].Start, last.Start+last.Len, notPrivate, sys.PagePresent|sys.PageSwapped, add)
		if s.noScan = errors.Is(err, syscall.ENOTTY); !s.noScan {
			return intersect(runs, own), err
		}
	}
	for _, r := range own {
		if err := s.private(r.Start, r.Start+r.Len, add); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// any reports whether there is a page that private would visit. It is an error
// on kernels before 6.7.
func (s *pageScanner) any(start, end uint64) (bool, error) {
	return sys.PagemapAny(s.pagemap, start, end, notPrivate, notPrivate, sys.PagePresent|sys.PageSwapped)
}

// notPrivate are pages of a mapped file and the zero page.
const notPrivate = sys.PageFile | sys.PageZero

// present is private for pages that are not swapped out. It is an error on kernels
// before 6.7.
func (s *pageScanner) present(start, end uint64, visit func(start, end uint64)) error {
	return s.scan(start, end, notPrivate, sys.PagePresent, visit)
}

// small tells how much of [start, end), in bytes, is in private pages of 4 KB; if that
// is more than enough, it may be less than all. It is an error on kernels before 6.7.
func (s *pageScanner) small(start, end, enough uint64) (n uint64, err error) {
	for start < end && n < enough && err == nil {
		start, err = s.step(start, end, notPrivate|sys.PageHuge, sys.PagePresent, func(start, end uint64) { n += end - start })
	}
	return n, err
}

func (s *pageScanner) scan(start, end, but, anyOf uint64, visit func(start, end uint64)) (err error) {
	for start < end && err == nil {
		start, err = s.step(start, end, but, anyOf, visit)
	}
	return err
}

// step is a part of scan, and tells where the next one begins.
func (s *pageScanner) step(start, end, but, anyOf uint64, visit func(start, end uint64)) (next uint64, err error) {
	if s.buf == nil {
		s.buf = make([]sys.PageRegion, 256)
	}
	most := uint64(0)
	if s.gentle {
		most = gentlePages
	}
	found, next, err := sys.PagemapScanSome(s.pagemap, start, end, most, but, but, anyOf, 0, s.buf)
	if err != nil {
		return 0, fmt.Errorf("scan the page map of %#x-%#x: %w", start, end, err)
	}
	for _, r := range found {
		if r.Start < start || r.End > end || r.Start >= r.End {
			return 0, fmt.Errorf("scan the page map of %#x-%#x: the kernel answered %#x-%#x", start, end, r.Start, r.End)
		}
		visit(r.Start, r.End)
		start = r.End
	}
	if next <= start && len(found) == 0 {
		return 0, fmt.Errorf("scan the page map of %#x-%#x: no progress", start, end)
	}
	return max(start, next), nil
}

// Bits of an entry of /proc/PID/pagemap
// (Documentation/admin-guide/mm/pagemap.rst).
const (
	pagemapPresent = 1 << 63
	pagemapSwapped = 1 << 62
	pagemapFile    = 1 << 61
)

// read is scan by reading an entry of eight bytes a page. It can not tell the
// zero page, which is found by its content later.
func (s *pageScanner) read(start, end uint64, visit func(start, end uint64)) error {
	buf := make([]byte, 64<<10)
	var runStart uint64
	inRun := false
	for addr := start; addr < end; {
		n := min(uint64(len(buf)), (end-addr)/pageSize*8)
		if _, err := s.pagemap.ReadAt(buf[:n], int64(addr/pageSize*8)); err != nil && err != io.EOF {
			return fmt.Errorf("read the page map of %#x-%#x: %w", start, end, err)
		}
		for i := uint64(0); i < n; i += 8 {
			e := binary.LittleEndian.Uint64(buf[i:])
			saved := e&(pagemapPresent|pagemapSwapped) != 0 && e&pagemapFile == 0
			page := addr + i/8*pageSize
			switch {
			case saved && !inRun:
				runStart, inRun = page, true
			case !saved && inRun:
				visit(runStart, page)
				inRun = false
			}
		}
		addr += n / 8 * pageSize
	}
	if inRun {
		visit(runStart, end)
	}
	return nil
}

// visitPages calls visit for pages of [start, end), as pageScanner.inArea does.
type visitPages func(a *image.Area, start, end uint64, visit func(start, end uint64)) error

// visitRuns is a visitPages of what is known.
func visitRuns(runs []image.Run) visitPages {
	return func(_ *image.Area, start, end uint64, visit func(start, end uint64)) error {
		for _, r := range within(runs, image.Run{Start: start, Len: end - start}) {
			visit(r.Start, r.Start+r.Len)
		}
		return nil
	}
}

// findRuns lists what of the process's memory goes into the image, sorted by
// address, each run inside one area. Shared anonymous memory may be stored by
// itself.
func findRuns(private visitPages, areas []image.Area, objects bool) ([]image.Run, error) {
	var runs []image.Run
	var err error
	for i := range areas {
		if runs, err = appendRuns(runs, private, &areas[i], objects); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// appendRuns is findRuns for one area.
func appendRuns(runs []image.Run, private visitPages, a *image.Area, objects bool) ([]image.Run, error) {
	start, end := uint64(a.Start), uint64(a.End)
	add := func(start, end uint64) {
		runs = append(runs, image.Run{Start: start, Len: end - start})
	}
	var err error
	switch {
	case a.Kind == image.VVar, a.Kind == image.SharedFile && !a.Whole, a.Kind == image.SharedAnonymous && objects:
		// Nothing: the kernel's own, the file's own, and the object's.
	case a.HasFlag("dp"):
		// Nothing: the kernel may drop it at any time, and whoever uses it
		// makes it anew. It is the state of vDSO getrandom, which must not
		// give the same numbers in two restores.
	case a.Kind == image.SharedAnonymous, a.Kind == image.SharedFile, a.Kind == image.VDSO:
		// The page tables of one process do not tell what a shared object
		// holds, and the vDSO has no page that counts as private.
		add(start, end)
	case a.Whole:
		add(start, end)
		err = private(a, start, end, func(start, end uint64) {
			a.Dirty = append(a.Dirty, image.AddrRange{Start: image.Addr(start), End: image.Addr(end)})
		})
	default:
		err = private(a, start, end, add)
	}
	return runs, err
}

// split tells apart what has to be copied while the process stands still, and
// what its twin has as well: all but memory that forks share, or do not get
// (fork(2)).
func split(runs []image.Run, areas []image.Area) (now, later []image.Run) {
	for _, r := range runs {
		a := areaAt(areas, r.Start)
		if a == nil || a.Kind == image.SharedAnonymous || a.Kind == image.SharedFile || a.HasFlag("dc") || a.HasFlag("wf") {
			now = append(now, r)
		} else {
			later = append(later, r)
		}
	}
	return now, later
}
