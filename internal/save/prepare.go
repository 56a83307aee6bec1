package save

import (
	"os"
	"slices"
	"sync"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// prepared is what is found out while the processes still run, so that they need
// not stand still for it.
type prepared struct {
	relatives []relative // all that there were
	subjects  []*subject // what was seen of them
	start     uint64     // of the root; with the pid it names it for good
	host      image.Host // without the clocks of the process, and what describeXSave adds, at first
	codes     map[int]ptrace.Gadgets
	buffers   [copyWorkers][]byte
	noRoom    error  // why there is too little memory for twins
	little    bool   // to save: copying it takes no longer than making twins
	shelf     *shelf // nil: there is too much
	clean     cleanFiles
}

// preparing is a preparation under way.
type preparing struct {
	p     prepared
	root  int
	code  ptrace.Gadgets // of the root
	err   error
	ended sync.WaitGroup
}

// startPrepare begins with what can be found out before the processes are frozen
// and before it is known whether they can be saved, on the other processors: the
// checks take as long.
func startPrepare(pfs proc.FS, root int) *preparing {
	w := &preparing{root: root}
	w.ended.Go(func() { w.code = findCode(pfs.Process(root)) })
	w.ended.Go(func() { w.p.host, w.err = describeHost(pfs) })
	return w
}

// finish waits for all that was begun and does the rest, for the processes that
// the checks have found.
func (w *preparing) finish(pfs proc.FS, subjects []*subject) (*prepared, error) {
	w.ended.Wait()
	p, need := &w.p, uint64(0)
	p.subjects = subjects
	p.start, p.codes = subjects[0].start, map[int]ptrace.Gadgets{w.root: w.code}
	size := uint64(0)
	size, p.little = isLittle(subjects)
	if p.little {
		w.ended.Go(func() {
			p.clean = openClean(subjects)
			p.shelf = newShelf(size - min(size, p.clean.settle(subjects)) + size/4)
		})
	}
	known := []ptrace.Gadgets{w.code}
	for _, s := range subjects {
		p.relatives = append(p.relatives, relative{s.pid, s.stat.PPid})
		if s.zombie {
			continue
		}
		need += s.status.RssAnon
		if s.pid != w.root {
			p.codes[s.pid], known = findKnownCode(s.proc, known)
		}
	}
	p.noRoom = roomForTwin(pfs, subjects[0].proc, cgroupRoot, need)
	for i := range p.buffers {
		p.buffers[i] = make([]byte, copyPiece)
	}
	w.ended.Wait()
	if w.err != nil {
		p.clean.Close()
		return nil, w.err
	}
	return p, nil
}

// subject is what was seen of a process; nil: it was not there.
func (p *prepared) subject(pid int) *subject {
	i := slices.IndexFunc(p.subjects, func(s *subject) bool { return s.pid == pid })
	if i < 0 {
		return nil
	}
	return p.subjects[i]
}

// twinPays is how much memory each process has on average to have, in bytes, for
// a twin to be worth while: the rest of a millisecond.
const twinPays = 3 << 20

// isLittle estimates how much memory is to be saved, and whether twins would be a waste
// of time.
func isLittle(subjects []*subject) (size uint64, little bool) {
	type part struct {
		file   string
		offset uint64
	}
	all, seen := uint64(0), map[part]bool{} // processes of the same program have its code in common
	for _, s := range subjects {
		all += s.status.RssAnon
		for i := range s.areas {
			a := &s.areas[i]
			if file := (part{a.Name, a.Offset}); a.Whole && !seen[file] {
				seen[file] = true
				all += a.Size()
			}
		}
	}
	return all, all <= twinPays*uint64(len(subjects))
}

// findCode looks for gadgets in a running process. What it finds has to be
// looked at again; what it does not find may still be there.
func findCode(p proc.Process) ptrace.Gadgets {
	found, _ := findKnownCode(p, nil)
	return found
}

// findKnownCode is findCode of a process that may have its code at the same addresses as
// others, as after a fork. It adds to what is known of these.
func findKnownCode(p proc.Process, known []ptrace.Gadgets) (ptrace.Gadgets, []ptrace.Gadgets) {
	mem, err := os.Open(p.Path("mem"))
	if err != nil {
		return ptrace.Gadgets{}, known
	}
	defer mem.Close()
	vmas, err := p.Maps()
	if err != nil {
		return ptrace.Gadgets{}, known
	}
	of := texts(vmas)
	for _, g := range known {
		if g.Hold(p.PID, mem, of) {
			return g, known
		}
	}
	files := codeFiles(p, mem, vmas)
	defer files.Close()
	g, _ := ptrace.FindGadgets(files, of) // none, if it fails
	if len(known) < mostKnown {
		known = append(known, g)
	}
	return g, known
}

// mostKnown is how many are tried before it is quicker to look.
const mostKnown = 8
