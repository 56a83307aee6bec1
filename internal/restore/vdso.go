package restore

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
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
	code  []byte // those of the saved one, patched if it is another
	same  bool
}

// newVDSO compares the saved vDSO with this kernel's.
func newVDSO(p *preparation) (*vdso, error) {
	v := &vdso{here: kernelAreas(p.host.maps)}
	for _, a := range p.process.Areas {
		if a.Kind == image.VDSO || a.Kind == image.VVar {
			v.saved = append(v.saved, a)
		}
	}
	saved, here := codeOf(v.saved), codeOf(v.here)
	if saved == nil {
		return v, nil
	}
	v.code = make([]byte, saved.Size())
	if err := p.image.ReadMemory(uint64(saved.Start), v.code); err != nil {
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
	v.same = bytes.Equal(v.own, v.code) && sameShape(v.saved, v.here)
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

// size is how much address space this kernel's vDSO and its data take.
func (v *vdso) size() uint64 {
	if len(v.here) == 0 {
		return 0
	}
	return uint64(v.here[len(v.here)-1].End - v.here[0].Start)
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
	if err := v.redirect(at + uint64(codeOf(v.here).Start-v.here[0].Start)); err != nil {
		return err
	}
	start, size := plan.Imm(uint64(saved.Start)), plan.Imm(saved.Size())
	b.Call("map the saved vDSO", abi.SysMmap, start, size, plan.Imm(uint64(image.ProtRead|image.ProtWrite)),
		plan.Imm(abi.MapPrivate|abi.MapAnonymous|abi.MapFixed), plan.Imm(noFD), plan.Imm(0)).Want(start)
	b.Copy("fill the saved vDSO", start, b.AlignedData(v.code, 8), size)
	b.Call("protect the saved vDSO", abi.SysMprotect, start, size, plan.Imm(uint64(saved.Prot)))
	v.zeroData(b)
	return nil
}

// zeroData puts pages of zeros where the saved vDSO expects the kernel's data.
// A thread that was in the middle of one of its functions finishes the old
// code: that finds another sequence number than before, begins again, finds
// clock mode 0, which is VDSO_CLOCKMODE_NONE (include/vdso/clocksource.h), and
// makes the system call.
func (v *vdso) zeroData(b *plan.Builder) {
	for _, a := range v.saved {
		if a.Kind == image.VVar {
			b.Call("map zeros for "+a.Name, abi.SysMmap, plan.Imm(uint64(a.Start)), plan.Imm(a.Size()), plan.Imm(uint64(image.ProtRead)),
				plan.Imm(abi.MapPrivate|abi.MapAnonymous|abi.MapFixed), plan.Imm(noFD), plan.Imm(0)).Want(plan.Imm(uint64(a.Start)))
		}
	}
}

// redirect makes every function of the saved vDSO jump to the one of the same
// name in this kernel's, whose code will be at code. A function that this
// kernel does not have makes the system call itself.
func (v *vdso) redirect(code uint64) error {
	saved, err := vdsoFunctions(v.code)
	if err != nil {
		return fmt.Errorf("read the saved vDSO: %w", err)
	}
	here, err := vdsoFunctions(v.own)
	if err != nil {
		return fmt.Errorf("read this kernel's vDSO: %w", err)
	}
	for name, f := range saved {
		var insns []byte
		if to, ok := here[name]; ok {
			insns = jumpTo(code + to.offset)
		} else {
			insns = callKernel(name)
		}
		if uint64(len(insns)) > f.size || f.offset+f.size > uint64(len(v.code)) {
			return fmt.Errorf("the saved vDSO's function %s is too short to be redirected", name)
		}
		copy(v.code[f.offset:], insns)
	}
	return nil
}

// vdsoFunction is a function of a vDSO: its place in the vDSO's bytes.
type vdsoFunction struct{ offset, size uint64 }

func vdsoFunctions(code []byte) (map[string]vdsoFunction, error) {
	f, err := elf.NewFile(bytes.NewReader(code))
	if err != nil {
		return nil, err
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	out := map[string]vdsoFunction{}
	for _, s := range symbols {
		// Every function has two names, __vdso_x and a weak x.
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Section != elf.SHN_UNDEF && s.Value < uint64(len(code)) {
			out[s.Name] = vdsoFunction{s.Value, s.Size}
		}
	}
	return out, nil
}

// jumpTo is movabs $address,%rax; jmp *%rax. A function may change rax.
func jumpTo(address uint64) []byte {
	b := binary.LittleEndian.AppendUint64([]byte{0x48, 0xb8}, address)
	return append(b, 0xff, 0xe0)
}

// callKernel is a function that makes the system call of that name, or, for
// what is more than a system call, says that there is none (-ENOSYS).
func callKernel(name string) []byte {
	numbers := map[string]uint32{
		"__vdso_clock_gettime": abi.SysClockGettime, "clock_gettime": abi.SysClockGettime,
		"__vdso_gettimeofday": abi.SysGettimeofday, "gettimeofday": abi.SysGettimeofday,
		"__vdso_time": abi.SysTime, "time": abi.SysTime,
		"__vdso_getcpu": abi.SysGetcpu, "getcpu": abi.SysGetcpu,
		"__vdso_clock_getres": abi.SysClockGetres, "clock_getres": abi.SysClockGetres,
	}
	const movEAX, ret, enosys = 0xb8, 0xc3, 38
	nr, ok := numbers[name]
	if !ok {
		// mov $-ENOSYS,%rax; ret
		minus := int32(-enosys)
		return append(binary.LittleEndian.AppendUint32([]byte{0x48, 0xc7, 0xc0}, uint32(minus)), ret)
	}
	b := binary.LittleEndian.AppendUint32([]byte{movEAX}, nr)
	return append(b, 0x0f, 0x05, ret)
}
