package save

import (
	"bytes"
	"os"
	"sync"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// prepared is what is found out while the processes still run, so that they need
// not stand still for it.
type prepared struct {
	relatives []relative // all that there were
	start     uint64     // of the root; with the pid it names it for good
	host      image.Host // all but what describeThread adds
	codes     map[int]injectable
	buffers   [copyWorkers][]byte
	noRoom    error // why there is too little memory for twins
}

// preparing is a preparation under way.
type preparing struct {
	p     prepared
	root  int
	code  injectable // of the root
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
	p.start, p.codes = subjects[0].start, map[int]injectable{w.root: w.code}
	for _, s := range subjects {
		p.relatives = append(p.relatives, relative{s.pid, s.stat.PPid})
		if s.zombie {
			continue
		}
		need += s.status.RssAnon
		if s.pid != w.root {
			p.codes[s.pid] = findCode(s.proc)
		}
	}
	p.noRoom = roomForTwin(pfs, subjects[0].proc, cgroupRoot, need)
	for i := range p.buffers {
		p.buffers[i] = make([]byte, copyPiece)
	}
	return p, w.err
}

// injectable is where calls can be injected, and what stands there.
type injectable struct {
	gadgets ptrace.Gadgets
	bytes   [4][]byte
}

// Lengths of the gadgets in the order of injectable.addresses.
var gadgetSizes = [4]int{2, 3, 9, 2}

func (c *injectable) addresses() [4]uint64 {
	g := &c.gadgets
	return [4]uint64{g.Syscall, g.SyscallRet, g.RestoreRT, g.PopRaxRet}
}

// findCode looks for gadgets in a running process. What it finds has to be
// looked at again; what it does not find may still be there.
func findCode(p proc.Process) injectable {
	var c injectable
	mem, err := os.Open(p.Path("mem"))
	if err != nil {
		return c
	}
	defer mem.Close()
	vmas, err := p.Maps()
	if err != nil {
		return c
	}
	if c.gadgets, err = ptrace.FindGadgets(mem, texts(vmas)); err != nil {
		return injectable{}
	}
	if c.bytes, err = c.read(mem); err != nil {
		return injectable{}
	}
	return c
}

// read gives the bytes of the gadgets.
func (c *injectable) read(mem *os.File) (found [4][]byte, err error) {
	for i, at := range c.addresses() {
		if at == 0 {
			continue
		}
		found[i] = make([]byte, gadgetSizes[i])
		if _, err := mem.ReadAt(found[i], int64(at)); err != nil {
			return found, err
		}
	}
	return found, nil
}

// holds reports whether the code is still what it was, now that the process is
// frozen.
func (c *injectable) holds(mem *os.File, texts []ptrace.Text) bool {
	if !c.gadgets.Cures() {
		return false
	}
	now, err := c.read(mem)
	if err != nil {
		return false
	}
	for i, at := range c.addresses() {
		if at != 0 && (!bytes.Equal(now[i], c.bytes[i]) || !executable(texts, at, at+uint64(gadgetSizes[i]))) {
			return false
		}
	}
	return true
}

func executable(texts []ptrace.Text, start, end uint64) bool {
	for _, t := range texts {
		if t.Start <= start && end <= t.End {
			return true
		}
	}
	return false
}
