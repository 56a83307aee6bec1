package restore

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"

	"ckpt/internal/abi"
)

// patch replaces the beginning of a function of the saved vDSO.
type patch struct {
	at    uint64 // in the saved vDSO's bytes
	insns []byte // nil: a jump to the function at to
	to    uint64 // in this kernel's vDSO
}

// code gives the instructions, when this kernel's vDSO is at own.
func (p *patch) code(own uint64) []byte {
	if p.insns != nil {
		return p.insns
	}
	return jumpTo(own + p.to)
}

// redirections are the patches that make every function of the saved vDSO jump
// to the one of the same name in this kernel's. A function that this kernel
// does not have makes the system call itself.
func redirections(saved, own []byte) ([]patch, error) {
	functions, err := vdsoFunctions(saved)
	if err != nil {
		return nil, fmt.Errorf("read the saved vDSO: %w", err)
	}
	here, err := vdsoFunctions(own)
	if err != nil {
		return nil, fmt.Errorf("read this kernel's vDSO: %w", err)
	}
	// Most functions have two names, __vdso_x and a weak x.
	names := map[vdsoFunction][]string{}
	for name, f := range functions {
		names[f] = append(names[f], name)
	}
	var patches []patch
	for f, names := range names {
		p := replacement(names, here)
		p.at = f.offset
		if n := uint64(len(p.code(0))); n > f.size || n > uint64(len(saved))-f.offset {
			return nil, fmt.Errorf("the saved vDSO's function %s is too short to be redirected", names[0])
		}
		patches = append(patches, p)
	}
	slices.SortFunc(patches, func(a, b patch) int { return cmp.Compare(a.at, b.at) })
	return patches, nil
}

// replacement is what stands in for a function with these names; here are those
// of this kernel.
func replacement(names []string, here map[string]vdsoFunction) patch {
	for _, name := range names {
		if f, ok := here[name]; ok {
			return patch{to: f.offset}
		}
	}
	for _, name := range names {
		if nr, ok := vdsoCalls[name]; ok {
			return patch{insns: callKernel(nr)}
		}
	}
	return patch{insns: noSuchCall()}
}

// patched is the saved vDSO as it works with this kernel's at own.
func (v *vdso) patched(own uint64) []byte {
	code := bytes.Clone(v.code)
	for i := range v.patches {
		copy(code[v.patches[i].at:], v.patches[i].code(own))
	}
	return code
}

// behindEntry reports whether the instruction at rip is one that a patch
// destroys, though not the first one of its function.
func (v *vdso) behindEntry(rip uint64) bool {
	at := rip - uint64(codeOf(v.saved).Start)
	for i := range v.patches {
		p := &v.patches[i]
		if at > p.at && at < p.at+uint64(len(p.code(0))) {
			return true
		}
	}
	return false
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

// vdsoCalls are the functions that do the same as a system call.
var vdsoCalls = map[string]uint32{
	"__vdso_clock_gettime": abi.SysClockGettime, "clock_gettime": abi.SysClockGettime,
	"__vdso_gettimeofday": abi.SysGettimeofday, "gettimeofday": abi.SysGettimeofday,
	"__vdso_time": abi.SysTime, "time": abi.SysTime,
	"__vdso_getcpu": abi.SysGetcpu, "getcpu": abi.SysGetcpu,
	"__vdso_clock_getres": abi.SysClockGetres, "clock_getres": abi.SysClockGetres,
}

const ret = 0xc3

// callKernel is a function that makes system call nr: mov $nr,%eax; syscall.
func callKernel(nr uint32) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{0xb8}, nr), 0x0f, 0x05, ret)
}

// noSuchCall is a function that says -ENOSYS: mov $-38,%rax.
func noSuchCall() []byte {
	const enosys = 38
	minus := int32(-enosys)
	return append(binary.LittleEndian.AppendUint32([]byte{0x48, 0xc7, 0xc0}, uint32(minus)), ret)
}
