package restore

import (
	"math/bits"
	"os"
	"strings"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// Most of the time of a large restore goes to the kernel making the pages that
// are read into. So, where there is enough to read, two walkers do it, each one
// half; and where the image holds every byte of 2 MB of plain memory, these are
// made one huge page (madvise(2), MADV_COLLAPSE), which takes a fifth of the
// time of 512 small ones. That needs a page to be there, leaves no trace in the
// area's flags, and makes memory no larger: what was not in the image is not
// touched.

const (
	hugePage = 2 << 20
	// fillStep is the most that is read at once, so that a page made is still
	// in the cache when it is filled. Each collapsing also makes all processors
	// finish their batches of pages (lru_add_drain_all), so smaller is worse on
	// machines with many.
	fillStep = 4 << 20
	// populateMin is from where on making the pages first is worth a call.
	populateMin = 64 << 10
	// fillTogether is from where on it is worth starting another walker, a
	// tenth of a millisecond.
	fillTogether = 16 << 20
)

// fillPiece is something to be read into an area by one call.
type fillPiece struct {
	image.Piece
	mapping *mapping
	huge    bool // first made huge pages
}

// fill reads the memory of all areas.
func (w *writer) fill(mappings []mapping) {
	var total uint64
	for i := range mappings {
		for _, f := range mappings[i].fills {
			total += f.Len
		}
	}
	huge := total >= hugePage && hugePagesAllowed()
	var pieces []fillPiece
	for i := range mappings {
		m := &mappings[i]
		for _, f := range m.fills {
			pieces = appendFills(pieces, m, f, huge && m.plain && !m.area.HasFlag("nh") && !m.area.HasFlag("hg"))
		}
	}
	if total < fillTogether || w.p.cpus() < 2 {
		w.read(w.b, pieces)
		return
	}
	half, n := total/2, 0
	for done := uint64(0); done < half; n++ {
		done += pieces[n].Len
	}
	w.fillTogether(pieces[:n], pieces[n:])
}

// fillTogether starts a second thread for theirs. It is gone without a trace
// when this one goes on.
func (w *writer) fillTogether(ours, theirs []fillPiece) {
	tid := w.b.Slot()
	done := w.b.Reserve(8)
	helper, spawn := w.b.Spawn("start a thread that fills memory", abi.SysClone, plan.Imm(abi.CloneSibling))
	spawn.Store(tid)
	w.read(helper, theirs)
	helper.Add("say that memory is filled", done, plan.Imm(1))
	helper.Call("end the thread that fills memory", abi.SysExit)

	w.read(w.b, ours)
	w.b.Await("wait until all memory is filled", done, plan.Imm(1))
	const noSuchProcess = -3 // ESRCH
	w.b.Call("wait until the thread that filled memory is gone", abi.SysTgkill,
		plan.Int(w.newPID()), plan.Arg{Slot: tid}, plan.Imm(0)).Until(plan.Int(noSuchProcess))
	w.b.Free(tid)
}

// read adds the steps that read pieces of memory.
func (w *writer) read(b *plan.Builder, pieces []fillPiece) {
	for _, f := range pieces {
		name := "fill " + areaName(f.mapping.area)
		addr, n := plan.Imm(f.Addr), plan.Imm(f.Len)
		switch {
		case f.huge:
			for at := f.Addr; at < f.Addr+f.Len; at += hugePage {
				b.Poke32If(name, plan.Imm(at), plan.Imm(0), plan.Imm(0))
			}
			b.Call(name, abi.SysMadvise, addr, n, plan.Imm(abi.MadvCollapse)).MayFail()
		case f.mapping.plain && f.Len >= populateMin && !f.mapping.area.HasFlag("hg"):
			b.Call(name, abi.SysMadvise, addr, n, plan.Imm(abi.MadvPopulateWrite)).MayFail()
		}
		b.Call(name, abi.SysPread64, plan.Imm(uint64(w.p.files.imageFDs[f.In].Fd())), addr, n, plan.Imm(f.Pos)).Want(n)
	}
}

// appendFills cuts what has to be read into the mapping into pieces for one
// call. huge: whole huge pages are to be made.
func appendFills(pieces []fillPiece, m *mapping, f image.Piece, huge bool) []fillPiece {
	for f.Len > 0 {
		n := min(f.Len, fillStep)
		collapse := false
		if huge {
			switch toHuge := -f.Addr & (hugePage - 1); {
			case toHuge > 0:
				n = min(n, toHuge)
			case n >= hugePage:
				n &^= hugePage - 1
				collapse = true
			}
		}
		pieces = append(pieces, fillPiece{f.First(n), m, collapse})
		f = f.After(n)
	}
	return pieces
}

// hugePagesAllowed reports whether the administrator lets programs have
// transparent huge pages.
func hugePagesAllowed() bool {
	setting, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	return err == nil && !strings.Contains(string(setting), "[never]")
}

// cpus is the number of processors that the process may use.
func (p *preparation) cpus() int {
	mask := p.thread.Affinity
	if own, err := sys.Affinity(0); err == nil {
		if len(mask) == 0 {
			mask = own
		}
		mask = mask[:min(len(mask), len(own))]
		n := 0
		for i := range mask {
			n += bits.OnesCount64(mask[i] & own[i])
		}
		return n
	}
	return 1
}
