package image

import (
	"debug/elf"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGoldenHeaders pins the headers of the small image as another reader of
// ELF sees them.
func TestGoldenHeaders(t *testing.T) {
	t.Parallel()
	f, err := elf.Open(small(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Type != elf.ET_CORE || f.Machine != elf.EM_X86_64 || f.OSABI != elf.ELFOSABI_NONE {
		t.Errorf("header %+v", f.FileHeader)
	}
	var got []elf.ProgHeader
	for _, p := range f.Progs[1:] {
		got = append(got, p.ProgHeader)
	}
	load := func(flags elf.ProgFlag, off, addr, filesz, memsz uint64) elf.ProgHeader {
		return elf.ProgHeader{Type: elf.PT_LOAD, Flags: flags, Off: off, Vaddr: addr, Filesz: filesz, Memsz: memsz, Align: 4096}
	}
	want := []elf.ProgHeader{
		load(elf.PF_R|elf.PF_X, 0x1000, 0x400000, 0, 0x2000),
		load(elf.PF_R|elf.PF_W, 0x1000, 0x402000, 0, 0x1000), // a gap over a file splits
		load(elf.PF_R|elf.PF_W, 0x1000, 0x403000, 0x1000, 0x2000),
		load(elf.PF_R|elf.PF_W, 0x2000, 0x10000000, 0x9000, 0x20000), // others become holes
		load(0, 0xb000, 0x7f0000000000, 0, 0x10000),
		load(elf.PF_R|elf.PF_W, 0xb000, 0x7f0000020000, 0, 0x2000),
		load(elf.PF_R|elf.PF_X, 0xb000, 0x7ffff0004000, 0x1000, 0x2000),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("program headers (-want +got):\n%s", diff)
	}
	if p := f.Progs[0]; p.Type != elf.PT_NOTE || p.Off != 0xd000 {
		t.Errorf("notes: %+v", p.ProgHeader)
	}
}

// run runs a program on the small image and returns what it prints.
func run(t *testing.T, name string, args ...string) (out, errs string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s here: %v", name, err)
	}
	var stderr strings.Builder
	cmd := exec.Command(path, args...)
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return string(b), stderr.String()
}

func wantLines(t *testing.T, out string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(out, l) {
			t.Errorf("no %q", l)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%.4000s", out)
	}
}

func TestReadelf(t *testing.T) {
	t.Parallel()
	out, errs := run(t, "readelf", "-a", "-W", small(t))
	if errs != "" {
		t.Errorf("readelf warns: %s", errs)
	}
	wantLines(t, out, "CORE (Core file)", "NT_PRSTATUS", "NT_PRPSINFO", "NT_SIGINFO", "NT_AUXV", "NT_FILE",
		"NT_FPREGSET", "NT_X86_XSTATE", "(0x00000205)", "(0x434b5001)", "(0x434b5004)")
}

func TestEuReadelf(t *testing.T) {
	t.Parallel()
	out, errs := run(t, "eu-readelf", "-a", small(t))
	if errs != "" {
		t.Errorf("eu-readelf warns: %s", errs)
	}
	wantLines(t, out, "pid: 4711, ppid: 4700, pgrp: 4711, sid: 4700", "pid: 4713,", "sigpend: <34>", "sighold: <10>",
		"fname: prog, psargs: prog -x", "uid: 1000", "nice: 5", "PAGESZ: 4096", "3 files:",
		"00402000-00405000 00002000 12288               /usr/bin/prog", "mxcsr:   0x0000000000001f80",
		"xmm0:  0x000000000000000000000000000000a1")
}

func TestGDB(t *testing.T) {
	t.Parallel()
	out, errs := run(t, "gdb", "-batch", "-nx", "-core", small(t),
		"-ex", "info threads",
		"-ex", "p/x $ymm3.v8_int32", "-ex", "p/x $zmm3.v16_int32", "-ex", "p/x $zmm20.v16_int32",
		"-ex", "p/x $k2", "-ex", "p/x $pkru", "-ex", "p/x $rax",
		"-ex", "x/gx 0x10001000", "-ex", "x/gx 0x10008000", "-ex", "x/gx 0x1001f000", "-ex", "info auxv",
		"-ex", "thread 2", "-ex", "p/x $xmm0.v16_int8")
	for _, l := range strings.Split(errs, "\n") {
		// There are no such files as the image names.
		if l != "" && !strings.Contains(l, "file-backed mapping note processing") {
			t.Errorf("gdb warns: %s", l)
		}
	}
	wantLines(t, out, "LWP 4711", "LWP 4713",
		"$1 = {0x0, 0x0, 0x0, 0x0, 0x2020202, 0x2020202, 0x2020202, 0x2020202}",
		"$2 = {0x0, 0x0, 0x0, 0x0, 0x2020202, 0x2020202, 0x2020202, 0x2020202, 0x6060606, ",
		"$3 = {0x7070707 <repeats 16 times>}", "$4 = 0x505050505050505", "$5 = 0x9090909", "$6 = 0x1111",
		"0x10008000:\t0x0000000000000000", "0x1001f000:\t0x0000000000000000", "AT_PAGESZ",
		"$7 = {0xa1, 0x0 <repeats 15 times>}")
}
