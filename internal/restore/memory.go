package restore

import (
	"fmt"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// advice are the VmFlags that madvise(2) sets, in the order in which they are
// given back.
var advice = []struct {
	flag string
	code uint64
}{
	{"dc", abi.MadvDontFork}, {"wf", abi.MadvWipeOnFork}, {"dd", abi.MadvDontDump},
	{"mg", abi.MadvMergeable}, {"sr", abi.MadvSequential}, {"rr", abi.MadvRandom}, {"nh", abi.MadvNoHugePage},
}

// memory maps every area where it was, fills them all, and then gives each what
// could be in the way of that.
func (w *writer) memory() error {
	w.dropInherited()
	w.mapMarks()
	w.mapObjects()
	var mappings []mapping
	for i := range w.m.process.Areas {
		a := &w.m.process.Areas[i]
		switch a.Kind {
		case image.VDSO, image.VVar:
			continue // see vdso.settle
		}
		m, err := w.mapArea(a)
		if err != nil {
			return fmt.Errorf("%s: %w", areaName(a), err)
		}
		mappings = append(mappings, m)
	}
	w.fill(mappings)
	w.handOver()
	for _, m := range mappings {
		if a := m.area; m.prot != a.Prot {
			w.b.Call("protect "+areaName(a), abi.SysMprotect, plan.Imm(uint64(a.Start)), plan.Imm(a.Size()), plan.Imm(uint64(a.Prot)))
		}
		w.flags(m.area, areaName(m.area))
	}
	return nil
}

// mapping is an area that is mapped but not filled.
type mapping struct {
	area  *image.Area
	prot  image.Prot    // which it has until it is filled
	plain bool          // private memory that nothing is behind
	fills []image.Piece // what has to be read into it
}

func areaName(a *image.Area) string {
	name := a.Name
	if name == "" {
		name = string(a.Kind)
	}
	return fmt.Sprintf("%s %s-%s", name, a.Start, a.End)
}

// mapArea adds the steps that map one area, so that it can be filled.
func (w *writer) mapArea(a *image.Area) (mapping, error) {
	name := areaName(a)
	source, err := w.source(a)
	if err != nil {
		return mapping{}, err
	}
	var fills []image.Piece
	if !w.ownContent(a) {
		fills = w.fills(a, source.unchanged)
	}
	prot := a.Prot
	if len(fills) > 0 || a.Kind == image.SharedAnonymous {
		prot |= image.ProtRead | image.ProtWrite
	}
	m := mapping{area: a, prot: prot, plain: source.fd == noFD && a.Kind != image.SharedAnonymous, fills: fills}
	start, size := plan.Imm(uint64(a.Start)), plan.Imm(a.Size())
	if w.keeps(a) {
		return w.changeArea(m), nil
	}
	if a.Kind != image.SharedAnonymous {
		step := a.Size()
		if source.fd == noFD && prot&image.ProtWrite != 0 && source.flags&(abi.MapNoReserve|abi.MapGrowsDown) == 0 {
			step = mapStep(step)
		}
		for done := uint64(0); done < a.Size(); done += step {
			at := plan.Imm(uint64(a.Start) + done)
			w.b.Call("map "+name, abi.SysMmap, at, plan.Imm(min(step, a.Size()-done)), plan.Imm(uint64(prot)),
				plan.Imm(source.flags), plan.Imm(source.fd), plan.Imm(source.offset)).Want(at)
		}
	}
	w.page(&m)
	w.mapLazily(&m, source.flags&abi.MapNoReserve)
	if a.HasFlag("hg") {
		// Before the memory is touched, so that it is touched in huge pages.
		w.b.Call("advise huge pages for "+name, abi.SysMadvise, start, size, plan.Imm(abi.MadvHugePage)).MayFail()
	}
	return m, nil
}

// mapStep is how much to map at once of size bytes of writable memory. The
// kernel refuses a single mapping that is larger than all memory and swap
// (__vm_enough_memory in mm/util.c), but joins neighbours, so that an area can
// be larger than what the program had ever asked for at once.
func mapStep(size uint64) uint64 {
	const least, most = 256 << 20, 1024 // bytes, calls
	return max(least, (size/most+pageSize-1)&^(pageSize-1))
}

// source is what mmap takes to map an area.
type source struct {
	flags, fd, offset uint64
	// unchanged: the file is the very same as when it was saved, so that only
	// what the process had changed has to be read from the image.
	unchanged bool
}

func (w *writer) source(a *image.Area) (source, error) {
	anonymous := source{flags: abi.MapFixed | abi.MapPrivate | abi.MapAnonymous, fd: noFD}
	if a.HasFlag("nr") {
		anonymous.flags |= abi.MapNoReserve
	}
	if a.HasFlag("gd") {
		anonymous.flags |= abi.MapGrowsDown | abi.MapStack
	}
	switch a.Kind {
	case image.Anonymous, image.SharedAnonymous:
		return anonymous, nil
	case image.PrivateFile:
		if a.Whole && (a.File < 0 || !w.p.files.unchanged(a.File)) {
			return anonymous, nil
		}
	}
	f, err := w.p.files.forMapping(a.File)
	if err != nil {
		return source{}, err
	}
	s := source{flags: abi.MapFixed | abi.MapPrivate, fd: uint64(f), offset: a.Offset, unchanged: a.Whole && a.Kind == image.PrivateFile}
	if a.Kind == image.SharedFile {
		s.flags = abi.MapFixed | abi.MapShared
	}
	if a.HasFlag("nr") {
		s.flags |= abi.MapNoReserve
	}
	return s, nil
}

// flags gives the area its advice, locks and name back.
func (w *writer) flags(a *image.Area, name string) {
	start, size := plan.Imm(uint64(a.Start)), plan.Imm(a.Size())
	for _, adv := range advice {
		if a.HasFlag(adv.flag) {
			w.b.Call("advise "+name, abi.SysMadvise, start, size, plan.Imm(adv.code)).MayFail()
		}
	}
	if a.HasFlag("lo") || a.HasFlag("lf") {
		var onFault uint64
		if a.HasFlag("lf") {
			onFault = abi.MlockOnFault
		}
		w.b.Call("lock "+name, abi.SysMlock2, start, size, plan.Imm(onFault)).MayFail()
	}
	if label, ok := anonymousName(a.Name); ok {
		// Not every kernel has CONFIG_ANON_VMA_NAME.
		w.b.Call("name "+name, abi.SysPrctl, plan.Imm(abi.PrSetVMA), plan.Imm(abi.PrSetVMAAnonName), start, size, w.b.CString(label)).MayFail()
	}
}

// anonymousName is the x of [anon:x] and [anon_shmem:x].
func anonymousName(name string) (string, bool) {
	for _, prefix := range []string{"[anon:", "[anon_shmem:"} {
		if len(name) > len(prefix)+1 && name[:len(prefix)] == prefix && name[len(name)-1] == ']' {
			return name[len(prefix) : len(name)-1], true
		}
	}
	return "", false
}

// fills lists what has to be read into an area, in long pieces. onlyDirty
// leaves out what the mapped file has anyway.
func (w *writer) fills(a *image.Area, onlyDirty bool) []image.Piece {
	ranges := []image.AddrRange{{Start: a.Start, End: a.End}}
	if onlyDirty {
		ranges = a.Dirty
	}
	var out []image.Piece
	for _, r := range ranges {
		out = w.p.image.Space(w.m.index).AppendPieces(out, uint64(r.Start), uint64(r.End))
	}
	return out
}
