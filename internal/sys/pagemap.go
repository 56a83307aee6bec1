package sys

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Categories of pages as PAGEMAP_SCAN knows them (include/uapi/linux/fs.h,
// Documentation/admin-guide/mm/pagemap.rst).
const (
	PageWPAllowed = 1 << iota
	PageWritten
	PageFile
	PagePresent
	PageSwapped
	PageZero // the shared zero page
	PageHuge
)

// PageRegion is a run of pages with the same categories.
type PageRegion struct {
	Start, End uint64
	Categories uint64
}

// pagemapScanArg is struct pm_scan_arg.
type pagemapScanArg struct {
	size, flags                  uint64
	start, end, walkEnd          uint64
	vec, vecLen, maxPages        uint64
	inverted, mask, anyOf, retur uint64
}

const pagemapScanIoctl = 0xc0606610

// PagemapScan asks which pages of [start, end) match, and where. A page
// matches if its categories, with those of inverted flipped, contain all of
// mask (0: no condition) and one of anyOf (0: no condition). Adjacent pages
// with equal categories (of those in ret) are one region. regions is the
// buffer to use; the result is a part of it and next is where to go on (end
// when done). ENOTTY means that the kernel (before 6.7) does not have it.
func PagemapScan(pagemap *os.File, start, end, inverted, mask, anyOf, ret uint64, regions []PageRegion) (found []PageRegion, next uint64, err error) {
	return PagemapScanSome(pagemap, start, end, 0, inverted, mask, anyOf, ret, regions)
}

// PagemapScanSome is PagemapScan that goes on no farther than to so many pages (0: to
// all). Whoever maps, unmaps or touches memory of the process may wait for it: a page
// takes about 30 ns.
func PagemapScanSome(pagemap *os.File, start, end, most, inverted, mask, anyOf, ret uint64, regions []PageRegion) (found []PageRegion, next uint64, err error) {
	return pagemapScan(pagemap, pagemapScanArg{start: start, end: end, inverted: inverted, mask: mask, anyOf: anyOf, retur: ret, maxPages: most}, regions)
}

// PagemapWritten asks which pages of [start, end) are not write-protected by the
// userfaultfd that watches them, and with which categories of those in ret. With
// protect they are from then on, those of no page table left out. Nothing but
// written pages is looked at closely, unless ret asks for more than PageWritten.
// EPERM says that a part of the memory is not watched, in which case nothing is
// known of the rest.
func PagemapWritten(pagemap *os.File, start, end uint64, protect bool, anyOf, ret uint64, regions []PageRegion) (found []PageRegion, next uint64, err error) {
	const wpMatching, checkAsync = 1, 2 // PM_SCAN_WP_MATCHING, PM_SCAN_CHECK_WPASYNC
	arg := pagemapScanArg{start: start, end: end, flags: checkAsync, mask: PageWritten, anyOf: anyOf, retur: ret | PageWritten}
	if protect {
		arg.flags |= wpMatching
	}
	return pagemapScan(pagemap, arg, regions)
}

// PagemapAny asks like PagemapScan whether there is any such page.
func PagemapAny(pagemap *os.File, start, end, inverted, mask, anyOf uint64) (bool, error) {
	var one [1]PageRegion
	found, _, err := pagemapScan(pagemap, pagemapScanArg{start: start, end: end, inverted: inverted, mask: mask, anyOf: anyOf, maxPages: 1}, one[:])
	return len(found) > 0, err
}

func pagemapScan(pagemap *os.File, arg pagemapScanArg, regions []PageRegion) (found []PageRegion, next uint64, err error) {
	arg.vec, arg.vecLen = uint64(uintptr(unsafe.Pointer(&regions[0]))), uint64(len(regions))
	arg.size = uint64(unsafe.Sizeof(arg))
	for {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, pagemap.Fd(), pagemapScanIoctl, uintptr(unsafe.Pointer(&arg)))
		switch errno {
		case 0:
			if n > uintptr(len(regions)) {
				return nil, 0, fmt.Errorf("PAGEMAP_SCAN: %d regions in room for %d", n, len(regions))
			}
			return regions[:n], arg.walkEnd, nil
		case unix.EINTR:
			continue
		default:
			return nil, 0, os.NewSyscallError("PAGEMAP_SCAN", errno)
		}
	}
}
