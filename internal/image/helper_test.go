package image

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ckpt/internal/abi"
)

// sample is a manifest of one process with two threads on an AMD processor,
// whose areas and files tests replace.
func sample() *Manifest {
	p := Process{
		PID: 4711, PPID: 4700, PGID: 4711, SID: 4700,
		Exe: "/usr/bin/prog", Args: []string{"prog", "-x", "caf\xe9"}, Cwd: "/tmp", Umask: 0o22,
		Limits:      make([]Rlimit, numLimits),
		Descriptors: []Descriptor{{FD: 0, File: 0}, {FD: 1, File: 0}},
		Signals: Signals{
			Actions: map[int]abi.SigAction{10: {Handler: 0x401000, Flags: 4}, 2: {Handler: 1}},
			Pending: [][]byte{pendingSignal(12)},
		},
		Credentials: Credentials{UID: [4]int{1000, 1000, 1000, 1000}},
		Auxv:        []byte("\x06\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00" + "0123456789abcdef"),
		Threads: []Thread{
			{TID: 4711, Comm: "prog", SigMask: 1 << 9, Pending: [][]byte{pendingSignal(34)}, Nice: 5},
			{TID: 4713, Comm: "worker"},
		},
		Areas: []Area{},
	}
	for i := range p.Threads {
		t := &p.Threads[i]
		t.Regs = abi.Regs{Rip: 0x401000 + uint64(i), Rsp: 0x7ffd00000000, Rax: 0x1111 * uint64(i+1), Cs: 0x33, Ss: 0x2b}
		t.XSave = sampleXSave(byte(i))
	}
	return &Manifest{
		Version: ManifestVersion, ID: "0123456789abcdef0123456789abcdef",
		Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Engine: "test", Trigger: TriggerCommand,
		Host: Host{Arch: arch, PageSize: PageSize, Kernel: "6.18.0", CPU: CPU{
			XFeatures: 0x2e7, XSaveSize: len(p.Threads[0].XSave), XSaveLayout: amdLayout,
		}},
		Processes: []Process{p},
		Files:     []OpenFile{{ID: 0, Kind: "file", Path: "/tmp/\xff\xfe", Detail: []byte(`{"size":12}`)}},
	}
}

func pendingSignal(n byte) []byte {
	b := make([]byte, abi.SiginfoSize)
	b[0] = n
	return b
}

// amdLayout is the layout of a processor without MPX.
var amdLayout = []XSaveComponent{
	{Feature: 2, Offset: 576, Size: 256},
	{Feature: 5, Offset: 832, Size: 64},
	{Feature: 6, Offset: 896, Size: 512},
	{Feature: 7, Offset: 1408, Size: 1024},
	{Feature: 9, Offset: 2432, Size: 8},
}

// sampleXSave are raw XSAVE bytes in which every component is in use and each
// byte of it is its feature number, but for a tag in XMM0.
func sampleXSave(tag byte) []byte {
	b := make([]byte, 2440)
	binary.LittleEndian.PutUint16(b, 0x37f)     // FCW
	binary.LittleEndian.PutUint32(b[24:], 8064) // MXCSR
	b[160] = 0xa0 + tag
	binary.LittleEndian.PutUint64(b[xcr0At:], 0x2e7)
	binary.LittleEndian.PutUint64(b[xstateBVAt:], 0x2e7)
	for _, c := range amdLayout {
		for i := range c.Size {
			b[c.Offset+i] = byte(c.Feature)
		}
	}
	return b
}

// randomBytes are bytes without a zero among them.
func randomBytes(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + r.Uint32N(255))
	}
	return b
}

// content is the memory of a test image: runs and what is in them.
type content struct {
	run   Run
	bytes []byte
}

// write makes an image of m with these areas and contents.
func write(t testing.TB, path string, m *Manifest, areas []Area, mem []content) Stats {
	t.Helper()
	w := begin(t, path, m, areas, mem)
	s, err := w.Commit(m, CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begin is write without the commit.
func begin(t testing.TB, path string, m *Manifest, areas []Area, mem []content) *Writer {
	t.Helper()
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Abort)
	m.Processes[0].Areas = areas
	var runs []Run
	for _, c := range mem {
		runs = append(runs, c.run)
	}
	if err := w.Layout(one(areas, runs)); err != nil {
		t.Fatal(err)
	}
	for _, c := range mem {
		if err := w.Process(0).WriteMemory(c.run.Start, c.bytes); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// one is the layout of an image of one process.
func one(areas []Area, runs []Run) Layout {
	return Layout{Processes: []Space{{Areas: areas, Runs: runs}}}
}

// smallAreas are one area of each kind, and smallMemory what is in them.
func smallAreas() []Area {
	return []Area{
		{Start: 0x400000, End: 0x402000, Prot: ProtRead | ProtExec, Kind: PrivateFile, File: 0, Name: "/usr/bin/prog", Flags: []string{"rd", "ex"}},
		{Start: 0x402000, End: 0x405000, Prot: ProtRead | ProtWrite, Kind: PrivateFile, File: 0, Name: "/usr/bin/prog", Offset: 0x2000},
		{Start: 0x10000000, End: 0x10020000, Prot: ProtRead | ProtWrite, Kind: Anonymous, File: -1, Name: "[heap]"},
		{Start: 0x7f0000000000, End: 0x7f0000010000, Kind: Anonymous, File: -1},
		{Start: 0x7f0000020000, End: 0x7f0000022000, Prot: ProtRead | ProtWrite, Kind: SharedFile, File: 0, Name: "/tmp/shared"},
		{Start: 0x7ffff0000000, End: 0x7ffff0004000, Prot: ProtRead, Kind: VVar, File: -1, Name: "[vvar]"},
		{Start: 0x7ffff0004000, End: 0x7ffff0006000, Prot: ProtRead | ProtExec, Kind: VDSO, File: -1, Name: "[vdso]"},
	}
}

func smallMemory() []content {
	return []content{
		{Run{0x403000, 0x1000}, make([]byte, PageSize)}, // zeros over a file: must be there
		{Run{0x10001000, 0x2000}, randomBytes(2*PageSize, 1)},
		{Run{0x10008000, 0x1000}, make([]byte, PageSize)}, // zeros over nothing: left out
		{Run{0x7ffff0004000, 0x1000}, randomBytes(PageSize, 2)},
	}
}

// small writes a small image with a payload and returns its path.
func small(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "small.ckpt")
	m := sample()
	w := begin(t, path, m, smallAreas(), smallMemory())
	if _, err := w.AddPayload(newPayload(randomBytes(100, 3)), 100, [][2]int64{{10, 20}, {50, 13}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(m, CommitOptions{Fsync: true}); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *Image {
	t.Helper()
	im, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

// files are the names in the directory of path.
func files(t testing.TB, path string) []string {
	t.Helper()
	all, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}
