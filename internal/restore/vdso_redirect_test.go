package restore

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"ckpt/internal/abi"
	"ckpt/internal/image"
)

// ownVDSO are the bytes of this kernel's vDSO.
func ownVDSO(t *testing.T) []byte {
	t.Helper()
	h, err := lookAtHost()
	if err != nil {
		t.Fatal(err)
	}
	code := codeOf(kernelAreas(h.maps))
	if code == nil {
		t.Skip("this kernel has no vDSO")
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	b := make([]byte, code.Size())
	if _, err := mem.ReadAt(b, int64(code.Start)); err != nil {
		t.Fatal(err)
	}
	return b
}

// rename changes the last letter of a name in a vDSO.
func rename(t *testing.T, vdso []byte, name string) []byte {
	t.Helper()
	out := bytes.Clone(vdso)
	n := 0
	for at := 0; ; n++ {
		i := bytes.Index(out[at:], append([]byte(name), 0))
		if i < 0 {
			break
		}
		at += i + len(name)
		out[at-1]++
	}
	if n == 0 {
		t.Skipf("this kernel's vDSO has no %s", name)
	}
	return out
}

// disassemble lists the instructions of a function's beginning.
func disassemble(t *testing.T, code []byte) []string {
	t.Helper()
	var all []string
	for len(code) > 0 && len(all) < 3 {
		inst, err := x86asm.Decode(code, 64)
		if err != nil {
			t.Fatalf("%x: %v", code, err)
		}
		all = append(all, strings.ToLower(x86asm.IntelSyntax(inst, 0, nil)))
		code = code[inst.Len:]
		if inst.Op == x86asm.RET || inst.Op == x86asm.JMP {
			break
		}
	}
	return all
}

// TestRedirections: every function of a foreign vDSO becomes a jump to the one
// of the same name, and nothing else of it changes.
func TestRedirections(t *testing.T) {
	t.Parallel()
	own := ownVDSO(t)
	const at = 0x7ffe12345000
	patches, err := redirections(own, own)
	if err != nil {
		t.Fatal(err)
	}
	v := &vdso{code: own, patches: patches}
	patched := v.patched(at)
	functions, err := vdsoFunctions(own)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := functions["__vdso_clock_gettime"]; !ok || len(functions) < 4 {
		t.Fatalf("functions %v", functions)
	}
	same := bytes.Clone(patched)
	for name, f := range functions {
		got := disassemble(t, patched[f.offset:])
		target := at + f.offset
		want := []string{"mov rax, 0x" + strings.ToLower(hex(target)), "jmp rax"}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		copy(same[f.offset:], own[f.offset:][:len(jumpTo(0))])
	}
	if !bytes.Equal(same, own) {
		t.Error("more than the functions' beginnings has changed")
	}
}

func hex(v uint64) string { return strings.TrimPrefix(image.Addr(v).String(), "0x") }

// TestReplacement: what this kernel does not know becomes a system call, or
// says that there is none.
func TestReplacement(t *testing.T) {
	t.Parallel()
	here := map[string]vdsoFunction{"time": {offset: 0x100}}
	for _, test := range []struct {
		names []string
		want  []string
	}{
		{[]string{"__vdso_time", "time"}, []string{"mov rax, 0x1100", "jmp rax"}},
		{[]string{"time", "__vdso_time"}, []string{"mov rax, 0x1100", "jmp rax"}},
		{[]string{"x", "__vdso_getcpu"}, []string{"mov eax, 0x135", "syscall", "ret"}},
		{[]string{"getcpu", "x"}, []string{"mov eax, 0x135", "syscall", "ret"}},
		{[]string{"__vdso_getrandom"}, []string{"mov rax, -0x26", "ret"}},
	} {
		p := replacement(test.names, here)
		if got := disassemble(t, p.code(0x1000)); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.names, got, test.want)
		}
	}
	if abi.SysGetcpu != 0x135 {
		t.Error("getcpu has another number")
	}
}

// TestRedirectionsUnknown: the same by way of a vDSO of a kernel that lacks a
// function.
func TestRedirectionsUnknown(t *testing.T) {
	t.Parallel()
	saved := ownVDSO(t)
	own := rename(t, saved, "clock_getres") // the end of __vdso_clock_getres, too
	patches, err := redirections(saved, own)
	if err != nil {
		t.Fatal(err)
	}
	functions, err := vdsoFunctions(saved)
	if err != nil {
		t.Fatal(err)
	}
	code := (&vdso{code: saved, patches: patches}).patched(0)
	got := disassemble(t, code[functions["__vdso_clock_getres"].offset:])
	if want := []string{"mov eax, 0xe5", "syscall", "ret"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestRedirectionsHostile: sizes and places that would not fit are refused.
func TestRedirectionsHostile(t *testing.T) {
	t.Parallel()
	own := ownVDSO(t)
	functions, err := vdsoFunctions(own)
	if err != nil {
		t.Fatal(err)
	}
	f := functions["__vdso_time"]
	symbol := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, f.offset), f.size)
	for name, bad := range map[string][2]uint64{
		"too short":     {f.offset, 11},
		"at the end":    {uint64(len(own)) - 8, 40},
		"end wraps":     {uint64(len(own)) - 8, ^uint64(0) - 4},
		"nothing there": {f.offset, 0},
	} {
		saved := bytes.Clone(own)
		to := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, bad[0]), bad[1])
		if n := bytes.Count(saved, symbol); n == 0 {
			t.Fatal("no such symbol")
		}
		saved = bytes.ReplaceAll(saved, symbol, to)
		if _, err := redirections(saved, own); err == nil || !strings.Contains(err.Error(), "too short") {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if _, err := redirections(make([]byte, 8192), own); err == nil {
		t.Error("zeros are taken for a vDSO")
	}
}

func TestBehindEntry(t *testing.T) {
	t.Parallel()
	v := &vdso{
		saved:   []image.Area{{Start: 0x10000, End: 0x14000, Kind: image.VVar}, {Start: 0x14000, End: 0x16000, Kind: image.VDSO}},
		patches: []patch{{at: 0x800, to: 0x900}, {at: 0xa00, insns: noSuchCall()}},
	}
	for rip, want := range map[uint64]bool{
		0x14800: false, 0x14801: true, 0x1480b: true, 0x1480c: false, 0x147ff: false,
		0x14a01: true, 0x14a07: true, 0x14a08: false, 0x10801: false, 0x401000: false,
	} {
		if got := v.behindEntry(rip); got != want {
			t.Errorf("%#x: %v, want %v", rip, got, want)
		}
	}
}

func TestSameShape(t *testing.T) {
	t.Parallel()
	shape := func(base image.Addr) []image.Area {
		return []image.Area{{Start: base, End: base + 0x4000, Name: "[vvar]"}, {Start: base + 0x4000, End: base + 0x6000, Name: "[vdso]"}}
	}
	a := shape(0x1000)
	if !sameShape(a, shape(0x7000)) {
		t.Error("the same at another place is not the same")
	}
	for name, b := range map[string][]image.Area{
		"fewer":    a[:1],
		"size":     {a[0], {Start: 0x5000, End: 0x8000, Name: "[vdso]"}},
		"distance": {a[0], {Start: 0x6000, End: 0x8000, Name: "[vdso]"}},
		"name":     {{Start: 0x1000, End: 0x5000, Name: "[vvar_vclock]"}, a[1]},
	} {
		if sameShape(a, b) {
			t.Errorf("%s: taken for the same", name)
		}
	}
	if sameShape(nil, nil) {
		t.Error("nothing is not the same as nothing: there is nothing to move")
	}
}
