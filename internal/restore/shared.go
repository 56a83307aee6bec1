package restore

import (
	"fmt"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// Shared anonymous memory is an object of its own, of which processes can map
// parts in several places. Each object is made once, as a whole, at a scratch
// address, before the first process makes another one. Its parts are mapped from
// there: an mremap of length 0 maps shared memory a second time (mm/mremap.c).
// Then each process unmaps the scratch address.

// sharedMemory is an object.
type sharedMemory struct {
	id, size uint64
	at       uint64 // behind the words in the scratch space
	space    int    // in Manifest.Objects; -1: its content is that of the areas
}

// objects are all objects that processes have mapped.
func (p *preparation) objects() []sharedMemory {
	size := map[uint64]uint64{}
	var order []uint64
	for _, m := range p.members {
		for i := range m.process.Areas {
			a := &m.process.Areas[i]
			if a.Kind != image.SharedAnonymous {
				continue
			}
			if _, known := size[a.Object]; !known {
				order = append(order, a.Object)
			}
			size[a.Object] = max(size[a.Object], a.Offset+a.Size())
		}
	}
	spaces := map[uint64]int{}
	for i := range p.m.Objects {
		spaces[p.m.Objects[i].ID] = i
	}
	var all []sharedMemory
	at := uint64(0)
	for _, id := range order {
		o := sharedMemory{id, size[id], at, -1}
		if i, ok := spaces[id]; ok {
			o.space, o.size = i, p.m.Objects[i].Size
		}
		all = append(all, o)
		at += o.size
	}
	return all
}

// objectsAt is where the objects are.
func (w *writer) objectsAt() uint64 { return w.scratch + w.wordsSize() }

// makeObjects makes all objects, and fills those whose content is their own.
func (w *writer) makeObjects() {
	var mappings []mapping
	for _, o := range w.objects {
		at := w.objectsAt() + o.at
		w.mapShared(fmt.Sprintf("make %d bytes of shared memory", o.size), at, o.size)
		if o.space < 0 {
			continue
		}
		area := image.Area{Start: image.Addr(at), End: image.Addr(at + o.size), Kind: image.SharedAnonymous, Name: "shared memory"}
		m := mapping{area: &area}
		for _, f := range w.p.image.ObjectSpace(o.space).AppendPieces(nil, 0, o.size) {
			f.Addr += at
			m.fills = append(m.fills, f)
		}
		mappings = append(mappings, m)
	}
	w.fill(mappings)
}

// mapObjects maps all areas of shared anonymous memory, readable and writable.
func (w *writer) mapObjects() {
	for i := range w.m.process.Areas {
		a := &w.m.process.Areas[i]
		if a.Kind != image.SharedAnonymous {
			continue
		}
		for _, o := range w.objects {
			if o.id == a.Object {
				start := plan.Imm(uint64(a.Start))
				w.b.Call("map "+areaName(a), abi.SysMremap, plan.Imm(w.objectsAt()+o.at+a.Offset), plan.Imm(0), plan.Imm(a.Size()),
					plan.Imm(abi.MremapMayMove|abi.MremapFixed), start).Want(start)
			}
		}
	}
}

// unmapObjects gives the scratch address up, when nobody is made any more who
// needs it.
func (w *writer) unmapObjects() {
	if size := w.scratchSize() - w.wordsSize(); size > 0 {
		w.b.Call("unmap the scratch address of shared memory", abi.SysMunmap, plan.Imm(w.objectsAt()), plan.Imm(size))
	}
}

// ownContent reports whether the content of a shared area is its object's, which
// has it already.
func (w *writer) ownContent(a *image.Area) bool {
	for _, o := range w.objects {
		if a.Kind == image.SharedAnonymous && o.id == a.Object {
			return o.space >= 0
		}
	}
	return false
}
