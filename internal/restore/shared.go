package restore

import (
	"fmt"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// Shared anonymous memory is an object of its own, of which a process can map
// parts in several places. Each object is made once, as a whole, at a scratch
// address; its parts are mapped from there: an mremap of length 0 maps shared
// memory a second time (mm/mremap.c). Then the scratch mapping goes away.

// sharedSizes are the lengths of the shared objects, by Area.Object.
func sharedSizes(areas []image.Area) (order []uint64, size map[uint64]uint64) {
	size = map[uint64]uint64{}
	for i := range areas {
		a := &areas[i]
		if a.Kind != image.SharedAnonymous {
			continue
		}
		if _, known := size[a.Object]; !known {
			order = append(order, a.Object)
		}
		size[a.Object] = max(size[a.Object], a.Offset+a.Size())
	}
	return order, size
}

// largestShared is the scratch space that sharedObjects needs.
func largestShared(areas []image.Area) uint64 {
	var largest uint64
	_, sizes := sharedSizes(areas)
	for _, s := range sizes {
		largest = max(largest, s)
	}
	return largest
}

// sharedObjects maps all areas of shared anonymous memory, readable and
// writable, for area to fill.
func (w *writer) sharedObjects() {
	areas := w.p.process.Areas
	order, sizes := sharedSizes(areas)
	scratch := plan.Imm(w.scratch)
	for _, object := range order {
		size := plan.Imm(sizes[object])
		what := fmt.Sprintf("make %d bytes of shared memory", sizes[object])
		w.b.Call(what, abi.SysMmap, scratch, size, plan.Imm(uint64(image.ProtRead|image.ProtWrite)),
			plan.Imm(abi.MapFixed|abi.MapShared|abi.MapAnonymous|abi.MapNoReserve), plan.Imm(noFD), plan.Imm(0)).Want(scratch)
		for i := range areas {
			a := &areas[i]
			if a.Kind != image.SharedAnonymous || a.Object != object {
				continue
			}
			start := plan.Imm(uint64(a.Start))
			w.b.Call("map "+areaName(a), abi.SysMremap, plan.Imm(w.scratch+a.Offset), plan.Imm(0), plan.Imm(a.Size()),
				plan.Imm(abi.MremapMayMove|abi.MremapFixed), start).Want(start)
		}
		w.b.Call("unmap the scratch address", abi.SysMunmap, scratch, size)
	}
}
