package restore

import (
	"math/bits"
	"os"
	"slices"
	"strings"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// Most of the time of a large restore goes to the kernel making the pages that
// are read into. So, where there is enough to read, two walkers do it, each one
// half; and where the image holds most of 2 MB of plain memory, these are made
// one huge page (madvise(2), MADV_COLLAPSE), which takes a fifth of the time of
// 512 small ones. That leaves no trace in the area's flags. Memory becomes larger
// by what was not in the image of these 2 MB: a quarter at most, and mostly zeros
// that the program had written.

const (
	hugePage = 2 << 20
	// hugeDense is how much of a huge page must be in the image, in bytes.
	hugeDense = hugePage * 3 / 4
	// fillStep is the most that is made at once, so that it is still in the cache
	// when it is filled. Each collapsing also makes all processors finish their
	// batches of pages (lru_add_drain_all), so smaller is worse on machines with
	// many.
	fillStep = 4 << 20
	// populateMin is from where on making the pages first is worth a call.
	populateMin = 64 << 10
	// fillTogether is from where on it is worth starting another walker, a
	// tenth of a millisecond.
	fillTogether = 16 << 20
)

// fillPiece is something to be made and read at once.
type fillPiece struct {
	mapping *mapping
	huge    span // first made huge pages; of no size: none
	pieces  []image.Piece
}

func (f fillPiece) size() (n uint64) {
	for _, p := range f.pieces {
		n += p.Len
	}
	return n
}

// fill reads the memory of all areas.
func (w *writer) fill(mappings []mapping) {
	var total uint64
	for i := range mappings {
		for _, f := range mappings[i].fills {
			total += f.Len
		}
	}
	huge := total >= hugeDense && hugePagesAllowed()
	var pieces []fillPiece
	for i := range mappings {
		m := &mappings[i]
		pieces = appendFills(pieces, m, huge && m.plain && !m.area.HasFlag("nh") && !m.area.HasFlag("hg"))
	}
	if total < fillTogether || w.p.cpus() < 2 {
		w.read(w.b, pieces)
		return
	}
	half, n := total/2, 0
	for done := uint64(0); done < half; n++ {
		done += pieces[n].size()
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

// read adds the steps that read pieces of memory, in the order of their
// addresses.
func (w *writer) read(b *plan.Builder, fills []fillPiece) {
	r := reader{w: w, b: b}
	var of *image.Area
	for _, f := range fills {
		if f.mapping.area != of {
			of = f.mapping.area
			r.name = "fill " + areaName(of)
		}
		if f.huge.size() > 0 {
			for at := f.huge.start; at < f.huge.end; at += hugePage {
				b.Poke32If(r.name, plan.Imm(at), plan.Imm(0), plan.Imm(0))
			}
			b.Call(r.name, abi.SysMadvise, plan.Imm(f.huge.start), plan.Imm(f.huge.size()), plan.Imm(abi.MadvCollapse)).MayFail()
		}
		for _, p := range f.pieces {
			if f.huge.size() == 0 && f.mapping.plain && p.Len >= populateMin && !f.mapping.area.HasFlag("hg") {
				b.Call(r.name, abi.SysMadvise, plan.Imm(p.Addr), plan.Imm(p.Len), plan.Imm(abi.MadvPopulateWrite)).MayFail()
			}
			r.read(p)
		}
	}
}

// appendFills cuts what has to be read into the mapping into what is made at
// once. huge: huge pages are to be made where they are worth it.
func appendFills(fills []fillPiece, m *mapping, huge bool) []fillPiece {
	var area span
	if huge {
		area = span{uint64(m.area.Start), uint64(m.area.End)}
	}
	rest := slices.Clone(m.fills)
	for len(rest) > 0 {
		page := span{rest[0].Addr &^ (hugePage - 1), rest[0].Addr&^(hugePage-1) + hugePage}
		last := len(fills) - 1
		if page.start < area.start || page.end > area.end || amount(rest, page.end) < hugeDense {
			n := min(rest[0].Len, fillStep)
			if huge {
				n = min(n, page.end-rest[0].Addr)
			}
			f := rest[0].First(n)
			if last >= 0 && fills[last].mapping == m && fills[last].continues(f) {
				fills[last].pieces[0].Len += n
			} else {
				fills = append(fills, fillPiece{mapping: m, pieces: []image.Piece{f}})
			}
			rest = behind(rest, n)
			continue
		}
		if last < 0 || fills[last].mapping != m || fills[last].huge.end != page.start || fills[last].huge.size() >= fillStep {
			fills = append(fills, fillPiece{mapping: m, huge: span{page.start, page.start}})
			last++
		}
		fills[last].huge.end = page.end
		for len(rest) > 0 && rest[0].Addr < page.end {
			n := min(rest[0].Len, page.end-rest[0].Addr)
			fills[last].pieces = append(fills[last].pieces, rest[0].First(n))
			rest = behind(rest, n)
		}
	}
	return fills
}

// continues reports whether p goes on where f, of small pages, ends, and both can
// be made at once.
func (f fillPiece) continues(p image.Piece) bool {
	if f.huge.size() > 0 {
		return false
	}
	own := f.pieces[0]
	return own.In == p.In && own.Addr+own.Len == p.Addr && own.Pos+own.Len == p.Pos && own.Len+p.Len <= fillStep
}

// amount is how many bytes of the pieces, which are in order, are below end.
func amount(pieces []image.Piece, end uint64) (n uint64) {
	for _, p := range pieces {
		if p.Addr >= end {
			break
		}
		n += min(p.Len, end-p.Addr)
	}
	return n
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
