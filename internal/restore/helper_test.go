package restore

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// sample is the manifest of a small process that could be restored here and
// now, for tests to change.
func sample(t testing.TB) *image.Manifest {
	t.Helper()
	h, err := lookAtHost()
	if err != nil {
		t.Fatal(err)
	}
	s := h.status
	p := image.Process{
		PID: 4711, PPID: 1, PGID: 4711, SID: 4711, Exe: "/nowhere/prog", Args: []string{"prog"}, Cwd: "/", Umask: 0o22,
		Areas: []image.Area{
			{Start: 0x400000, End: 0x402000, Prot: image.ProtRead | image.ProtWrite, Kind: image.Anonymous, File: -1, Flags: []string{}},
		},
		Limits:  make([]image.Rlimit, 16),
		Threads: []image.Thread{{TID: 4711, Comm: "prog", Nice: h.nice, AltStack: abi.StackT{Flags: abi.SSDisable}}},
		Credentials: image.Credentials{
			UID: s.Uid, GID: s.Gid, Groups: s.Groups, Inheritable: s.CapInh, Permitted: s.CapPrm,
			Effective: s.CapEff, Bounding: s.CapBnd, Ambient: s.CapAmb,
		},
		Attributes: image.Attributes{Dumpable: 1, NoNewPrivs: s.NoNewPrivs},
	}
	for i := range p.Limits {
		var l syscall.Rlimit
		if err := syscall.Getrlimit(i, &l); err != nil {
			t.Fatal(err)
		}
		p.Limits[i] = image.Rlimit{Cur: l.Max, Max: l.Max}
	}
	return &image.Manifest{
		Version: image.ManifestVersion, ID: strings.Repeat("0", 32), Trigger: image.TriggerCommand,
		Host: image.Host{
			Arch: runtime.GOARCH, PageSize: os.Getpagesize(), BootID: h.bootID,
			CPU: image.CPU{Features: h.cpu.Flags, XSaveLayout: []image.XSaveComponent{}},
		},
		Processes: []image.Process{p},
		Files:     []image.OpenFile{},
	}
}

// content is memory of an image.
type content struct {
	at    uint64
	bytes []byte
}

// write makes an image of m with this memory, the first process's, and returns
// its path.
func write(t testing.TB, m *image.Manifest, memory ...content) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "myckpt")
	w, err := image.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	var runs []image.Run
	for _, c := range memory {
		runs = append(runs, image.Run{Start: c.at, Len: uint64(len(c.bytes))})
	}
	l := image.Layout{Processes: []image.Space{{Areas: m.Processes[0].Areas, Runs: runs}}}
	for i := range m.Processes[1:] {
		l.Processes = append(l.Processes, image.Space{Areas: m.Processes[i+1].Areas})
	}
	if err := w.Layout(l); err != nil {
		t.Fatal(err)
	}
	for _, c := range memory {
		if err := w.Process(0).WriteMemory(c.at, c.bytes); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(m, image.CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// prepared is a restore of m up to where the plan is written.
func prepared(t testing.TB, m *image.Manifest, memory ...content) *preparation {
	t.Helper()
	p, err := prepare(Options{Path: write(t, m, memory...), Warn: func(object, text string) { t.Logf("%s: %s", object, text) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// compiled is the plan of a whole restore of m.
func compiledPlan(t testing.TB, m *image.Manifest, memory ...content) *compiled {
	t.Helper()
	c, err := prepared(t, m, memory...).compile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// steps are the system calls nr of the plan that write writes.
func steps(t testing.TB, p *preparation, nr uint32, write func(w *writer)) (*plan.Plan, []plan.Op) {
	t.Helper()
	w := newWriter(p)
	write(w)
	w.b.Call("end", abi.SysExitGroup)
	pl, err := w.b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return pl, calls(pl, nr)
}

// newWriter writes parts of the plan of p's first process.
func newWriter(p *preparation) *writer {
	if p.members == nil {
		p.members = []*member{{process: p.process, thread: p.thread}}
	}
	root := &birth{pid: p.process.PID, process: p.process}
	p.lineage = &lineage{root: root, all: []*birth{root}}
	s := &site{lineage: p.lineage, vdsos: []*vdso{{}}, frames: make([]frames, 1)}
	if p.m != nil {
		s.objects = p.objects()
	}
	return &writer{p: p, b: plan.NewBuilder(), site: s, birth: root, m: p.members[0], t: p.thread, v: &vdso{}}
}

func calls(p *plan.Plan, nr uint32) (ops []plan.Op) {
	for _, op := range p.Ops {
		if op.Code == plan.Syscall && op.Nr == nr {
			ops = append(ops, op)
		}
	}
	return ops
}

// data is n bytes of the plan's data that an argument points to.
func data(t testing.TB, p *plan.Plan, a plan.Arg, n int) []byte {
	t.Helper()
	if a.Slot != plan.Base || a.Imm < plan.DataOffset || a.Imm-plan.DataOffset+uint64(n) > uint64(len(p.Data)) {
		t.Fatalf("argument %+v does not point to %d bytes of data", a, n)
	}
	return p.Data[a.Imm-plan.DataOffset:][:n]
}

// wordsAt are n words of the plan's data.
func wordsAt(t testing.TB, p *plan.Plan, a plan.Arg, n int) []uint64 {
	t.Helper()
	b := data(t, p, a, 8*n)
	w := make([]uint64, n)
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return w
}
