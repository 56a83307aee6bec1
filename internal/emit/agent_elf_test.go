package emit

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

func agentOpen(t *testing.T) *elf.File {
	t.Helper()
	lib, err := Agent("/opt/ckpt/bin/ckpt")
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(lib))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func agentSectionData(t *testing.T, f *elf.File, name string) []byte {
	t.Helper()
	data, err := f.Section(name).Data()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAgentRefusesPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "ckpt", "./ckpt", "/a\x00b", "/" + strings.Repeat("x", agentPathMax)} {
		if _, err := Agent(path); err == nil {
			t.Errorf("Agent(%.20q) gives no error", path)
		}
	}
	if _, err := Agent("/" + strings.Repeat("x", agentPathMax-2)); err != nil {
		t.Errorf("the longest path: %v", err)
	}
}

// TestAgentLayout compares the layouts that Go writes with those that the
// assembler reads.
func TestAgentLayout(t *testing.T) {
	t.Parallel()
	if n := binary.Size(agentConst{}); n != agentConstSize {
		t.Errorf("agentConst has %d bytes, agentConstSize is %d", n, agentConstSize)
	}
	if n := binary.Size(agentScratch{}); n > agentScratchSize/2 {
		t.Errorf("agentScratch has %d of %d bytes: no room for a stack", n, agentScratchSize)
	}
	f := agentOpen(t)
	rodata := agentSectionData(t, f, ".rodata")
	if got := string(rodata[agentConstSize:]); got != "/opt/ckpt/bin/ckpt\x00" {
		t.Errorf("embedded engine %q", got)
	}
}

// TestAgentSelfContained disassembles the block: every address that it forms
// lies in itself, in agentConst or in agentData.
func TestAgentSelfContained(t *testing.T) {
	t.Parallel()
	f := agentOpen(t)
	text := agentSectionData(t, f, ".text")
	constEnd := f.Section(".rodata").Addr + f.Section(".rodata").Size
	dataEnd := uint64(agentDataAddr + binary.Size(agentData{}))
	var branches, constRefs, dataRefs int
	for pc := 0; pc < len(text); {
		inst, err := x86asm.Decode(text[pc:], 64)
		if err != nil {
			t.Fatalf("%#x: % x: %v", pc, text[pc:min(pc+8, len(text))], err)
		}
		next := uint64(agentTextAddr + pc + inst.Len)
		for _, arg := range inst.Args {
			var to uint64
			switch a := arg.(type) {
			case x86asm.Rel:
				if to = next + uint64(int64(a)); to < agentTextAddr || to >= agentTextAddr+uint64(len(text)) {
					t.Errorf("%#x: %v leaves the block", pc, inst)
				}
				branches++
			case x86asm.Mem:
				if a.Base == 0 && a.Index == 0 {
					t.Errorf("%#x: %v: an absolute address", pc, inst)
				}
				if a.Base != x86asm.RIP {
					continue
				}
				switch to = next + uint64(int64(int32(a.Disp))); {
				case to >= agentTextAddr && to < agentTextAddr+uint64(len(text)):
				case to >= agentConstAddr && to < constEnd:
					constRefs++
				case to >= agentDataAddr && to <= dataEnd:
					dataRefs++
				default:
					t.Errorf("%#x: %v refers to %#x", pc, inst, to)
				}
			}
		}
		pc += inst.Len
	}
	if branches < 20 || constRefs < 10 || dataRefs < 5 {
		t.Errorf("only %d branches, %d and %d references: was it decoded?", branches, constRefs, dataRefs)
	}
}

// TestAgentGdbShapes checks the bytes that gdb's amd64-linux-tdep.c and
// amd64-tdep.c compare with.
func TestAgentGdbShapes(t *testing.T) {
	t.Parallel()
	f := agentOpen(t)
	text := agentSectionData(t, f, ".text")
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"__restore_rt": "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05",
		"ckpt_handler": "\x55\x48\x89\xe5",
		"ckpt_init":    "\x55\x48\x89\xe5",
	}
	at := uint64(agentTextAddr)
	for _, s := range syms {
		if s.Value != at {
			t.Errorf("%s at %#x, the one before it ends at %#x", s.Name, s.Value, at)
		}
		at += s.Size
		off := s.Value - agentTextAddr
		if !strings.HasPrefix(string(text[off:]), want[s.Name]) {
			t.Errorf("%s begins % x", s.Name, text[off:off+9])
		}
		delete(want, s.Name)
		if s.Name == "__restore_rt" && text[off-1] != 0xcc {
			t.Errorf("the byte before __restore_rt is %#x, not padding", text[off-1])
		}
	}
	if len(want) != 0 || at != agentTextAddr+uint64(len(text)) {
		t.Errorf("missing symbols %v, last ends at %#x", want, at)
	}
}

// TestAgentTools lets other people's readers look at the file.
func TestAgentTools(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	for _, tool := range [][]string{{"readelf", "-aW"}, {"eu-readelf", "-a"}, {"eu-elflint", "--quiet"}, {"objdump", "-x", "-Wf"}} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			t.Logf("%s is not installed", tool[0])
			continue
		}
		cmd := exec.Command(tool[0], append(tool[1:], h.lib)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || stderr.Len() > 0 || bytes.Contains(out, []byte("Warning")) {
			t.Errorf("%v: %v\n%s%s", tool, err, &stderr, out)
		}
	}
}
