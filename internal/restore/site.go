package restore

import (
	"cmp"
	"slices"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// site is where a plan works, and by what its processes find each other: the same
// in all of them.
type site struct {
	work    span   // what no saved process uses: the vDSO's parking place and the block
	block   uint64 // address of the block
	scratch uint64 // free until the plan's end: words, and behind them shared memory
	keep    uint64 // of the block stays mapped: code and signal frames

	lineage *lineage
	vdsos   []*vdso        // by index of the member
	frames  []frames       // by index of the member
	objects []sharedMemory // behind the words

	// Words in memory that all processes share.
	words    uint64  // so many are in use
	present  gate    // all processes are there
	grouped  gate    // those who join groups have
	settled  gate    // those who had left the groups that they lead have
	mapped   gate    // all memory is there and undamaged: now others may see what is done
	complete gate    // all have everything but what makes them end on their own
	leaving  gate    // all will leave
	turns    [8]gate // for what has to be done in turns

	adoptions []adoption          // as lineage.adopters
	continued map[*birth]plan.Arg // words of those who go on, see goOn
}

// adoption are the words of an adopter.
type adoption struct{ begun, done plan.Arg }

// gate is where processes wait until all are there. The first process opens it,
// so that not everybody wakes everybody.
type gate struct {
	what          string
	others        int // besides the first process
	arrived, open plan.Arg
}

// newSite lays out the words.
func (p *preparation) newSite() *site {
	s := &site{lineage: p.lineage, vdsos: p.vdsos, objects: p.objects()}
	made := len(p.lineage.all) - 1
	living := -1
	for _, m := range p.members {
		if !m.process.Zombie {
			living++
		}
	}
	for _, g := range []struct {
		gate   *gate
		what   string
		others int
	}{
		{&s.present, "that all processes are there", made},
		{&s.grouped, "that all groups are complete", made},
		{&s.settled, "that all are in their groups", made},
		{&s.mapped, "that all memory is there", living},
		{&s.complete, "that all processes are complete", living},
		{&s.leaving, "that all processes leave", living},
	} {
		*g.gate = gate{g.what, g.others, s.word(), s.word()}
	}
	for i := range s.turns {
		s.turns[i] = gate{"for all processes", living, s.word(), s.word()}
	}
	for range p.lineage.adopters {
		s.adoptions = append(s.adoptions, adoption{s.word(), s.word()})
	}
	s.continued = map[*birth]plan.Arg{}
	for _, b := range p.lineage.all {
		if goesOn(b) && b.parent() != nil {
			s.continued[b] = s.word()
		}
	}
	return s
}

// word reserves a word; scratch is added by at.
func (s *site) word() plan.Arg {
	s.words++
	return plan.Imm(8 * (s.words - 1))
}

// wordsSize is the room for words in the scratch space, whole pages.
func (s *site) wordsSize() uint64 { return (8*s.words + pageSize - 1) &^ (pageSize - 1) }

// scratchSize is the room that is needed at scratch.
func (s *site) scratchSize() uint64 {
	size := s.wordsSize()
	for _, o := range s.objects {
		size += o.size
	}
	return size
}

// at is the address of a word.
func (s *site) at(word plan.Arg) plan.Arg { return plan.Imm(s.scratch + word.Imm) }

// meetAll adds the waiting at a gate.
func (w *writer) meetAll(g gate) {
	w.arriveAt(g)
	w.open(g)
}

// arriveAt is the coming to a gate: behind it, the first process knows that all
// are there, and the others that it has opened the gate.
func (w *writer) arriveAt(g gate) {
	switch {
	case g.others == 0:
	case w.birth == w.lineage.root:
		w.b.Await("wait "+g.what, w.at(g.arrived), plan.Int(g.others))
	default:
		w.b.Add("arrive", w.at(g.arrived), plan.Imm(1))
		w.b.Await("wait "+g.what, w.at(g.open), plan.Imm(1))
	}
}

// open lets the others through.
func (w *writer) open(g gate) {
	if g.others > 0 && w.birth == w.lineage.root {
		w.b.Add("say "+g.what, w.at(g.open), plan.Imm(1))
	}
}

// shareScratch maps what all processes have in common, before there are several.
func (w *writer) shareScratch() {
	if w.p.isTree() {
		w.mapShared("make memory for the processes to wait by", w.scratch, w.wordsSize())
	}
	w.makeObjects()
}

func (w *writer) mapShared(what string, at, size uint64) {
	w.b.Call(what, abi.SysMmap, plan.Imm(at), plan.Imm(size), plan.Imm(uint64(image.ProtRead|image.ProtWrite)),
		plan.Imm(abi.MapFixed|abi.MapShared|abi.MapAnonymous|abi.MapNoReserve), plan.Imm(noFD), plan.Imm(0)).Want(plan.Imm(at))
}

// unmapWords gives up what the processes waited by.
func (w *writer) unmapWords() {
	if w.p.isTree() {
		w.b.Call("unmap what the processes waited by", abi.SysMunmap, plan.Imm(w.scratch), plan.Imm(w.wordsSize()))
	}
}

// rendezvous gives a function by which all processes meet again and again, each
// as often as the others.
func (w *writer) rendezvous() func(b *plan.Builder) {
	n := 0
	return func(*plan.Builder) {
		w.meetAll(w.turns[n])
		n++
	}
}

// areas are those of all processes, as findGap takes them.
func (p *preparation) areas() []image.Area {
	if !p.isTree() {
		return p.members[0].process.Areas
	}
	var all []image.Area
	for _, m := range p.members {
		all = append(all, m.process.Areas...)
	}
	slices.SortFunc(all, func(a, b image.Area) int { return cmp.Compare(a.Start, b.Start) })
	return all
}

// room is the first guess of how large the block of the plan is.
func (p *preparation) room() uint64 {
	const one, member, chunk = 1 << 20, 32 << 10, 64 // bytes
	n := max(one, uint64(len(p.members))*member)
	for im := p.image; im != nil; im = im.Parent() {
		n += uint64(im.Stats().Chunks) * chunk
	}
	return (n + pageSize - 1) &^ (pageSize - 1)
}
