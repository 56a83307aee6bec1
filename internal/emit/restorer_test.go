package emit

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
)

const (
	testLoad = 0x1000_0000_0000
	testPark = 0x2000_0000_0000
)

var options = plan.Options{Park: testPark, ErrFD: 2}

func build(t *testing.T, b *plan.Builder) *plan.Plan {
	t.Helper()
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hello is a plan that prints and exits with a status of its own.
func hello(t *testing.T) *plan.Plan {
	b := plan.NewBuilder()
	const text = "hello from the restorer\n"
	b.Call("say hello", abi.SysWrite, plan.Imm(1), b.Data([]byte(text)), plan.Imm(uint64(len(text)))).Want(plan.Imm(uint64(len(text))))
	b.Call("exit", abi.SysExitGroup, plan.Imm(42))
	return build(t, b)
}

func TestRestorerRuns(t *testing.T) {
	t.Parallel()
	want := result{"hello from the restorer\n", "", "exit status 42"}
	if got := execute(t, hello(t), options, ""); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRestorerRunsAsNobody(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	want := result{"hello from the restorer\n", "", "exit status 42"}
	if got := execute(t, hello(t), options, "65534"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRestorerFile(t *testing.T) {
	t.Parallel()
	block := bytes.Repeat([]byte{0x90}, 2*pageSize)
	file, err := Restorer(block, 16, testLoad)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if f.Entry != testLoad+16 || f.Type != elf.ET_EXEC || f.Machine != elf.EM_X86_64 {
		t.Errorf("header %+v", f.FileHeader)
	}
	got, err := readAll(f.Progs[0], len(block))
	if err != nil || !bytes.Equal(got, block) {
		t.Errorf("the block is not in the first segment (%v)", err)
	}
	if f.Progs[1].Type != elf.PT_GNU_STACK || f.Progs[1].Flags != elf.PF_R|elf.PF_W {
		t.Errorf("stack: %+v", f.Progs[1])
	}
}

func readAll(p *elf.Prog, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := p.ReadAt(b, 0)
	return b, err
}

func TestReadelfIsHappy(t *testing.T) {
	t.Parallel()
	readelf, err := exec.LookPath("readelf")
	if err != nil {
		t.Skip("no readelf here")
	}
	block, err := plan.Encode(hello(t), options)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Restorer(block, plan.Entry, testLoad)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "restorer")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(readelf, "-a", "-W", path).CombinedOutput()
	if err != nil {
		t.Errorf("readelf: %v", err)
	}
	for _, word := range []string{"Warning", "warning", "Error", "error"} {
		if strings.Contains(string(out), word) {
			t.Errorf("readelf complains:\n%s", out)
			break
		}
	}
}

func TestRestorerRefuses(t *testing.T) {
	t.Parallel()
	block := make([]byte, pageSize)
	for _, c := range []struct {
		name        string
		block       []byte
		entry, load uint64
	}{
		{"empty block", nil, 0, testLoad},
		{"entry outside", block, pageSize, testLoad},
		{"load at 0", block, 0, 0},
		{"load unaligned", block, 0, testLoad + 8},
		{"load at the end", block, 0, taskSize},
		{"load behind the end", block, 0, 1 << 63},
	} {
		if _, err := Restorer(c.block, c.entry, c.load); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

// TestRestorerIsLarge runs as many ops as a process with some 15,000 areas
// needs, over data of a megabyte.
func TestRestorerIsLarge(t *testing.T) {
	t.Parallel()
	b := plan.NewBuilder()
	last := b.Reserve(1<<20 + 16)
	last.Imm += 1 << 20
	for i := range 100_000 {
		b.Poke32If("count", last, plan.Int(i), plan.Int(i+1)).Want(plan.Imm(1))
	}
	b.Call("show the count", abi.SysWrite, plan.Imm(1), last, plan.Imm(8))
	b.Call("exit", abi.SysExitGroup)
	want := result{"\xa0\x86\x01\x00\x00\x00\x00\x00", "", "exit status 0"}
	if got := execute(t, build(t, b), options, ""); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
