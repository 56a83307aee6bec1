package restore

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// A lazy restore maps memory from the image (MAP_PRIVATE): it is there at once,
// whatever its size, is read from the disk when it is used, and is the page cache's
// own until it is written to, so that many copies share it. The checksums of what
// is mapped are not looked at.
//
// To the kernel such memory is no anonymous memory. So the first page of each image
// is mapped as well, in front of the block: by that the next save knows it
// (mappedImages in package save). And two calls do other things with it:
//
// mremap(2) to a larger size shows what follows in the file, and beyond its end
// gives SIGBUS, instead of zeros. It is refused where it would reach over several
// mappings; then realloc(3) copies. So a page now and then is read, and what is
// mapped in one piece has as much again behind it in the file.
//
// madvise(2) with MADV_DONTNEED shows the file again, instead of zeros. There is
// no remedy; programs that are known to rely on zeros are read at once.

const (
	// lazyMin is from where on mapping is worth a mapping of its own, in bytes.
	lazyMin = 128 << 10
	// lazyGap is the longest stretch of zeros that is mapped with what is around
	// it. It is a hole of the file, and takes page cache when it is read.
	lazyGap = 1 << 20
	// lazyPiece is the least that is mapped in one piece where there is more, and
	// lazyPieces about how many pieces there are at most.
	lazyPiece, lazyPieces = 2 << 20, 1024
)

// lazyLimits are how much of an image is mapped in one piece, and up to where.
type lazyLimits struct{ step, end uint64 }

func newLazyLimits(im *image.Image) lazyLimits {
	s := im.Stats()
	step := max(lazyPiece, uint64(s.Memory)/lazyPieces&^(pageSize-1))
	return lazyLimits{step, max(uint64(s.Size)&^(pageSize-1), 2*step) - 2*step}
}

// cut gives how much of what can be mapped at once is mapped in one piece.
func (l lazyLimits) cut(p image.Piece) image.Piece {
	n := min(p.Len, l.step, max(l.end, p.Pos)-p.Pos)
	if n < lazyMin {
		return p.First(0)
	}
	return p.First(n - pageSize)
}

// chooseLazy decides whether memory is mapped from the image, or left to a pager.
func (p *preparation) chooseLazy() error {
	if !p.o.Lazy {
		return nil
	}
	var reason string
	var err error
	paged := compressed(p.image)
	if paged {
		reason, err = p.startPager()
	} else {
		reason = p.notLazy()
	}
	if reason != "" {
		p.o.Warn("--lazy", reason+": all memory is read before the program runs")
	}
	if paged || reason != "" {
		return err
	}
	p.lazy = true
	p.limits = map[*image.Image]lazyLimits{}
	for im := p.image; im != nil; im = im.Parent() {
		p.limits[im] = newLazyLimits(im)
	}
	return nil
}

// compressed reports whether an image or one of its parents is.
func compressed(im *image.Image) bool {
	return im != nil && (im.Compressed() || compressed(im.Parent()))
}

// notLazy says why memory can not be mapped from the image.
func (p *preparation) notLazy() string {
	for im := p.image; im != nil; im = im.Parent() {
		if noexec, err := sys.NoExec(int(im.File().Fd())); err != nil || noexec {
			return "the image is on a file system that is mounted noexec, from which no code can be mapped"
		}
	}
	for _, m := range p.members {
		for i := range m.process.Areas {
			if name := filepath.Base(m.process.Areas[i].Name); strings.HasPrefix(name, "libjemalloc.so") {
				return fmt.Sprintf("%s relies on reading zeros from memory that it gave back with MADV_DONTNEED, and would read the image", name)
			}
		}
	}
	return ""
}

// lazyFlags are those of areas that only anonymous memory can have, or that say
// that all of it has to be there.
var lazyFlags = []string{"gd", "wf", "mg", "lo", "lf", "dp"}

// onlyAnonymous reports whether the area has one of them.
func onlyAnonymous(a *image.Area) bool { return slices.ContainsFunc(lazyFlags, a.HasFlag) }

// mapLazily maps what it can of an area from the image, over what is mapped
// there, and leaves the rest to be read.
func (w *writer) mapLazily(m *mapping, noReserve uint64) {
	if !w.p.lazy || !m.plain {
		return
	}
	if onlyAnonymous(m.area) {
		return
	}
	name := "map " + areaName(m.area) + " from the image"
	var rest []image.Piece
	pieces := slices.Clone(m.fills)
	if m.area.Name == "[heap]" && len(pieces) > 0 && pieces[0].Len > pageSize {
		// The kernel calls what is mapped from a file by the name of that.
		rest = append(rest, pieces[0].First(pageSize))
		pieces = behind(pieces, pageSize)
	}
	for len(pieces) > 0 {
		whole, n := stretch(pieces, w.p.limits[pieces[0].In].step)
		if whole = w.p.limits[whole.In].cut(whole); whole.Len == 0 {
			rest = append(rest, pieces[:n]...)
			pieces = pieces[n:]
			continue
		}
		at, fd := plan.Imm(whole.Addr), w.p.files.imageFDs[whole.In].Fd()
		w.b.Call(name, abi.SysMmap, at, plan.Imm(whole.Len), plan.Imm(uint64(m.area.Prot)),
			plan.Imm(abi.MapFixed|abi.MapPrivate|noReserve), plan.Imm(uint64(fd)), plan.Imm(whole.Pos)).Want(at)
		summed := chunksOf(w.p.summed, whole.In)
		for i := range whole.In.Chunks(whole) {
			summed[i] = true
		}
		end := whole.Addr + whole.Len
		for pieces[0].Addr < end {
			pieces = behind(pieces, min(pieces[0].Len, end-pieces[0].Addr))
		}
		if pieces[0].Addr == end { // else there is a hole
			rest = append(rest, pieces[0].First(pageSize))
			pieces = behind(pieces, pageSize)
		}
	}
	m.fills = rest
}

// stretch is how much of the file can be mapped at once, from the first of the
// pieces on, and how many of them that are. It looks no further when it is enough.
func stretch(pieces []image.Piece, enough uint64) (whole image.Piece, n int) {
	whole = pieces[0]
	for n = 1; n < len(pieces) && whole.Len < enough; n++ {
		next, end := pieces[n], whole.Addr+whole.Len
		if next.In != whole.In || next.Addr-next.Pos != whole.Addr-whole.Pos || next.Addr-end > lazyGap {
			break
		}
		gap := image.Piece{Pos: whole.Pos + whole.Len, Len: next.Addr - end}
		for range whole.In.Chunks(gap) {
			return whole, n // another process's
		}
		whole.Len = next.Addr + next.Len - whole.Addr
	}
	return whole, n
}

// mapMarks maps the first page of each image that memory may be mapped from.
func (w *writer) mapMarks() {
	if !w.p.lazy {
		return
	}
	at := w.block
	for im := w.p.image; im != nil; im = im.Parent() {
		at -= pageSize
		w.b.Call("map the first page of the image", abi.SysMmap, plan.Imm(at), plan.Imm(pageSize), plan.Imm(uint64(image.ProtRead)),
			plan.Imm(abi.MapFixed|abi.MapPrivate), plan.Imm(uint64(w.p.files.imageFDs[im].Fd())), plan.Imm(0)).Want(plan.Imm(at))
	}
}

// marksSize is the room for those pages.
func (p *preparation) marksSize() (n uint64) {
	if p.lazy {
		for im := p.image; im != nil; im = im.Parent() {
			n += pageSize
		}
	}
	return n
}
