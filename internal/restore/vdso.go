package restore

import (
	"bytes"
	"fmt"
	"os"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// vdso knows what to do about the kernel's code pages. The saved program has
// pointers into the vDSO of the kernel it was saved under. Where this kernel's
// is the very same, it is moved to where the saved one was. Where it is not,
// the saved code is put back as plain memory whose functions jump to those of
// this kernel's vDSO, which is left where it was parked.
type vdso struct {
	here  []image.Area // of this process; only the distances matter
	saved []image.Area
	own   []byte // the bytes of this kernel's vDSO
	code  []byte // those of the saved one
	same  bool

	patches []patch // what turns the saved one into one that works here
	// aside: a thread is where a patch would be. It finishes in a copy of the
	// saved vDSO that has no patches.
	aside bool
}

// newVDSO compares the saved vDSO with this kernel's.
func newVDSO(p *preparation, m *member) (*vdso, error) {
	v := &vdso{here: kernelAreas(p.host.maps)}
	for _, a := range m.process.Areas {
		if a.Kind == image.VDSO || a.Kind == image.VVar {
			v.saved = append(v.saved, a)
		}
	}
	saved, here := codeOf(v.saved), codeOf(v.here)
	if saved == nil {
		return v, nil
	}
	v.code = make([]byte, saved.Size())
	if err := p.image.Space(m.index).ReadMemory(uint64(saved.Start), v.code); err != nil {
		return nil, err
	}
	if here == nil {
		return nil, &HostError{Reason: "the program was saved with a vDSO, and this kernel has none (vdso=0)"}
	}
	v.own = make([]byte, here.Size())
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	if _, err := mem.ReadAt(v.own, int64(here.Start)); err != nil {
		return nil, fmt.Errorf("read this kernel's vDSO: %w", err)
	}
	if v.same = bytes.Equal(v.own, v.code) && sameShape(v.saved, v.here); v.same {
		return v, nil
	}
	if v.patches, err = redirections(v.code, v.own); err != nil {
		return nil, err
	}
	for i := range m.process.Threads {
		v.aside = v.aside || v.behindEntry(m.process.Threads[i].Regs.Rip)
	}
	return v, nil
}

func codeOf(areas []image.Area) *image.Area {
	for i := range areas {
		if areas[i].Kind == image.VDSO {
			return &areas[i]
		}
	}
	return nil
}

// sameShape reports whether two vDSOs have the same pages at the same
// distances.
func sameShape(a, b []image.Area) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Size() != b[i].Size() || a[i].Start-a[0].Start != b[i].Start-b[0].Start {
			return false
		}
	}
	return true
}

// size is how much address space is needed: for this kernel's vDSO and its
// data, and behind them for a copy of the saved ones.
func (v *vdso) size() uint64 {
	if v.aside {
		return extent(v.here) + extent(v.saved)
	}
	return extent(v.here)
}

// extent is the distance from the first area's start to the last one's end.
func extent(areas []image.Area) uint64 {
	if len(areas) == 0 {
		return 0
	}
	return uint64(areas[len(areas)-1].End - areas[0].Start)
}

// park moves this kernel's pages out of the way, to at. Where the fresh
// process has them is only known when it runs.
func (v *vdso) park(b *plan.Builder, at uint64) {
	code := codeOf(v.here)
	for _, a := range v.here {
		from := plan.Arg{Slot: plan.VDSO, Imm: uint64(a.Start - code.Start)}
		v.move(b, "move "+a.Name+" out of the way", from, a.Size(), at+uint64(a.Start-v.here[0].Start))
	}
}

func (v *vdso) move(b *plan.Builder, what string, from plan.Arg, size, to uint64) {
	b.Call(what, abi.SysMremap, from, plan.Imm(size), plan.Imm(size),
		plan.Imm(abi.MremapMayMove|abi.MremapFixed), plan.Imm(to)).Want(plan.Imm(to))
}

// settle puts the saved vDSO where it was; at is where park moved this
// kernel's.
func (v *vdso) settle(b *plan.Builder, at uint64) error {
	if v.same {
		for i, a := range v.here {
			v.move(b, "move "+a.Name+" to its place", plan.Imm(at+uint64(a.Start-v.here[0].Start)), a.Size(), uint64(v.saved[i].Start))
		}
		return nil
	}
	saved := codeOf(v.saved)
	if saved == nil {
		return nil
	}
	to := at + uint64(codeOf(v.here).Start-v.here[0].Start)
	v.mapSaved(b, 0, v.patched(to))
	if v.aside {
		v.mapSaved(b, v.asideBy(at), v.code)
	}
	return nil
}

// asideBy is how far the copy without patches is above the saved vDSO.
func (v *vdso) asideBy(at uint64) uint64 {
	return at + extent(v.here) - uint64(v.saved[0].Start)
}

// mapSaved maps the saved vDSO with code as its content, by so much above of
// where it was, as plain memory. Where it expects the kernel's data are zeros.
// A thread that was in the middle of one of its functions finishes the old
// code: that finds another sequence number than before, begins again, finds
// clock mode 0, which is VDSO_CLOCKMODE_NONE (include/vdso/clocksource.h), and
// makes the system call.
func (v *vdso) mapSaved(b *plan.Builder, above uint64, code []byte) {
	for _, a := range v.saved {
		prot, what := a.Prot, "map zeros for "+a.Name
		if a.Kind == image.VDSO {
			prot, what = image.ProtRead|image.ProtWrite, "map the saved vDSO"
		}
		start, size := plan.Imm(uint64(a.Start)+above), plan.Imm(a.Size())
		b.Call(what, abi.SysMmap, start, size, plan.Imm(uint64(prot)),
			plan.Imm(abi.MapPrivate|abi.MapAnonymous|abi.MapFixed), plan.Imm(noFD), plan.Imm(0)).Want(start)
		if a.Kind == image.VDSO {
			b.Copy("fill the saved vDSO", start, b.AlignedData(code, 8), size)
			b.Call("protect the saved vDSO", abi.SysMprotect, start, size, plan.Imm(uint64(a.Prot)))
		}
	}
}
