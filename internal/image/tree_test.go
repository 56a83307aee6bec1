package image

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// family is a manifest of a root with two threads, a child with two threads
// and a child of that which is a zombie.
func family() *Manifest {
	m := sample()
	root := &m.Processes[0]
	child, zombie := *root, Process{
		PID: 4730, PPID: 4720, PGID: 4711, SID: 4700, Zombie: true, ExitStatus: 3 << 8,
		Args: []string{}, Areas: []Area{}, Threads: []Thread{{TID: 4730, Comm: "gone", Dead: true}},
		Descriptors: []Descriptor{}, Limits: []Rlimit{},
	}
	child.PID, child.PPID = 4720, 4711
	child.Args = []string{"child"}
	child.Threads = slices.Clone(root.Threads)
	for i := range child.Threads {
		child.Threads[i].TID, child.Threads[i].XSave = 4720+i, sampleXSave(byte(0x10+i))
	}
	m.Processes = []Process{*root, child, zombie}
	m.Objects = []Object{{ID: 77, Size: 0x6000}}
	return m
}

// The memory of a family: an area of each process's own, of which the child
// shares three pages with its parent, and windows on the object.
var (
	rootBytes   = slices.Concat(randomBytes(2*PageSize, 1), make([]byte, PageSize), randomBytes(2*PageSize, 2))
	childBytes  = randomBytes(2*PageSize, 3)
	objectBytes = randomBytes(3*PageSize, 4)
	childSees   = slices.Concat(rootBytes[:3*PageSize], childBytes)
)

func familyLayout(m *Manifest) Layout {
	rw := ProtRead | ProtWrite
	m.Processes[0].Areas = []Area{
		{Start: 0x10000, End: 0x18000, Kind: Anonymous, File: -1, Prot: rw, Name: "[heap]"},
		{Start: 0x20000, End: 0x26000, Kind: SharedAnonymous, File: -1, Prot: rw, Object: 77},
	}
	m.Processes[1].Areas = []Area{
		{Start: 0x10000, End: 0x18000, Kind: Anonymous, File: -1, Prot: rw, Name: "[heap]"},
		{Start: 0x30000, End: 0x33000, Kind: SharedFile, File: 0, Prot: ProtRead, Object: 77, Offset: 0x2000},
	}
	return Layout{
		Objects: []ObjectSpace{{m.Objects[0], []Run{{0x1000, 0x3000}}}},
		Processes: []Space{
			{Areas: m.Processes[0].Areas, Runs: []Run{{0x10000, 0x5000}}},
			{
				Areas: m.Processes[1].Areas, Runs: []Run{{0x13000, 0x2000}},
				Same: []Same{{Run{0x10000, 0x3000}, 0}},
			},
			{},
		},
	}
}

// writeFamily writes the image of a family.
func writeFamily(t testing.TB, m *Manifest) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "family.ckpt")
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Layout(familyLayout(m)); err != nil {
		t.Fatal(err)
	}
	if err := w.Process(0).WriteMemory(0x10000, rootBytes); err != nil {
		t.Fatal(err)
	}
	if err := w.Process(1).WriteMemory(0x13000, childBytes); err != nil {
		t.Fatal(err)
	}
	if err := w.Object(0).WriteMemory(0x1000, objectBytes); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddPayload(newPayload(randomBytes(30, 3)), 30, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(m, CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyFamily is writeFamily with as few bytes as there can be.
func tinyFamily(t testing.TB) string {
	m := family()
	for i := range m.Processes {
		p := &m.Processes[i]
		for j := range p.Threads {
			if x := &p.Threads[j].XSave; *x != nil {
				*x = (*x)[:xsaveMin]
				clear((*x)[xcr0At : xcr0At+8])
			}
		}
	}
	return writeFamily(t, m)
}

func TestFamily(t *testing.T) {
	t.Parallel()
	m := family()
	im := open(t, writeFamily(t, m))
	if err := im.Verify(context.Background(), 2, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, im.Manifest()); diff != "" {
		t.Fatalf("manifest (-saved +read):\n%s", diff)
	}
	object := slices.Concat(make([]byte, PageSize), objectBytes, make([]byte, 2*PageSize))
	for _, c := range []struct {
		name  string
		space SpaceReader
		at    uint64
		want  []byte
	}{
		{"heap of the root", im.Space(0), 0x10000, slices.Concat(rootBytes, make([]byte, 3*PageSize))},
		{"heap of the child", im.Space(1), 0x10000, slices.Concat(childSees, make([]byte, 3*PageSize))},
		{"object", im.ObjectSpace(0), 0, object},
		{"window of the root", im.Space(0), 0x20000, object},
		{"window of the child", im.Space(1), 0x30000, object[0x2000:0x5000]},
	} {
		got := make([]byte, len(c.want))
		if err := c.space.ReadMemory(c.at, got); err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s differs, %v", c.name, err)
		}
	}
	// What they share has one place.
	for addr, shared := range map[uint64]bool{0x10000: true, 0x11000: true, 0x13000: false, 0x14000: false} {
		a, b := im.Space(0).AppendPieces(nil, addr, addr+1), im.Space(1).AppendPieces(nil, addr, addr+1)
		if (a[0].Pos == b[0].Pos) != shared {
			t.Errorf("memory at %#x is at %#x and %#x in the file, shared %v", addr, a[0].Pos, b[0].Pos, shared)
		}
	}
	if s := im.Stats(); s.Memory != int64(len(rootBytes)+len(childBytes)+len(objectBytes)) {
		t.Errorf("%d bytes of memory", s.Memory) // the zero page is too short to be left out
	}
	out, errs := run(t, "readelf", "-a", "-W", im.File().Name())
	if errs != "" || strings.Count(out, "NT_PRSTATUS") != 2 {
		t.Errorf("readelf warns %q, shows %.3000s", errs, out)
	}
}

// TestCore writes each process of a family as a core of its own.
func TestCore(t *testing.T) {
	t.Parallel()
	im := open(t, writeFamily(t, family()))
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "root"), filepath.Join(dir, "child")}
	for i, path := range paths {
		size, err := im.WriteCore(t.Context(), i, path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != size || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v, want %d bytes", info, err, size)
		}
		if _, errs := run(t, "readelf", "-a", "-W", path); errs != "" {
			t.Errorf("readelf warns: %s", errs)
		}
		if _, errs := run(t, "eu-readelf", "-a", path); errs != "" {
			t.Errorf("eu-readelf warns: %s", errs)
		}
		if err := check(path); err == nil || !strings.Contains(err.Error(), "plain core file") {
			t.Errorf("opened as an image: %v", err)
		}
	}
	words := func(b []byte) string { return hex.EncodeToString(b[:8]) }
	out, _ := run(t, "gdb", "-batch", "-nx", "-core", paths[1], "-ex", "info threads", "-ex", "p/x $xmm0.v16_int8[0]",
		"-ex", "thread 2", "-ex", "p/x $xmm0.v16_int8[0]", "-ex", "x/8xb 0x11000", "-ex", "x/8xb 0x14000", "-ex", "x/8xb 0x30000",
		"-ex", "x/8xb 0x17000")
	out = strings.NewReplacer("\t0x", "", ":", " ").Replace(out)
	wantLines(t, out, "* 1    LWP 4720", "  2    LWP 4721", "$1 = 0xb0", "$2 = 0xb1",
		"0x11000 "+words(childSees[0x1000:]), "0x14000 "+words(childSees[0x4000:]), "0x30000 "+words(objectBytes[0x1000:]),
		"0x17000 0000000000000000")
	if _, err := im.WriteCore(t.Context(), 2, filepath.Join(dir, "zombie")); err == nil || !strings.Contains(err.Error(), "has no memory") {
		t.Errorf("core of a zombie: %v", err)
	}
	if got := files(t, paths[0]); len(got) != 2 {
		t.Errorf("left behind: %q", got)
	}
}

// TestCoreOfDamage: a core is not written of memory that is not as it was.
func TestCoreOfDamage(t *testing.T) {
	t.Parallel()
	path := writeFamily(t, family())
	im := open(t, path)
	at := im.Space(0).AppendPieces(nil, 0x11000, 0x12000)[0].Pos
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0}, int64(at)); err != nil {
		t.Fatal(err)
	}
	core := filepath.Join(t.TempDir(), "core")
	want := "memory 0x10000-0x15000 of [heap] (0x10000-0x18000) of process 4711"
	if _, err := im.WriteCore(t.Context(), 1, core); !isFound(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if err := im.Verify(t.Context(), 1, nil); !isFound(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if got := files(t, core); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

// TestForks draws families in which each process is forked off an earlier one
// and changes some of its memory.
func TestForks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		const pages, base = 16, 0x40000
		kind := rapid.SampledFrom([]AreaKind{Anonymous, PrivateFile}).Draw(rt, "kind")
		areas := []Area{{Start: base, End: base + pages*PageSize, Kind: kind, File: -1}}
		var l Layout
		m := sample()
		m.Processes = nil
		var memory [][]byte     // of each process
		var saved [][pages]bool // what of it is
		for i := range rapid.IntRange(1, 5).Draw(rt, "processes") {
			p := sample().Processes[0]
			p.Areas = areas
			p.PID, p.Threads = 100*(i+1), manyThreads(1)
			p.Threads[0].TID = p.PID
			space := Space{Areas: areas}
			mem, has, parent := make([]byte, pages*PageSize), [pages]bool{}, 0
			if i > 0 {
				parent = rapid.IntRange(0, i-1).Draw(rt, "parent")
				copy(mem, memory[parent])
				has = saved[parent]
			}
			for n := range uint64(pages) {
				at := base + n*PageSize
				if rapid.IntRange(0, 2).Draw(rt, "own") == 0 {
					copy(mem[n*PageSize:], drawMemory(rt, PageSize))
					space.Runs = append(space.Runs, Run{at, PageSize})
					has[n] = true
				} else if has[n] {
					space.Same = append(space.Same, Same{Run{at, PageSize}, parent})
				}
			}
			m.Processes, memory, saved = append(m.Processes, p), append(memory, mem), append(saved, has)
			l.Processes = append(l.Processes, space)
		}
		path := filepath.Join(dir, "image")
		w, err := Create(t.Context(), path)
		if err != nil {
			rt.Fatal(err)
		}
		defer w.Abort()
		if err := w.Layout(l); err != nil {
			rt.Fatal(err)
		}
		own := int64(0)
		for i, s := range l.Processes {
			for _, r := range s.Runs {
				own += int64(r.Len)
				if err := w.Process(i).WriteMemory(r.Start, memory[i][r.Start-base:r.end()-base]); err != nil {
					rt.Fatal(err)
				}
			}
		}
		stats, err := w.Commit(m, CommitOptions{})
		if err != nil {
			rt.Fatal(err)
		}
		if stats.Memory+stats.ZeroSkipped != own {
			rt.Fatalf("%+v for %d bytes of memory", stats, own)
		}
		im, err := Open(path)
		if err != nil {
			rt.Fatal(err)
		}
		defer im.Close()
		if err := im.Verify(context.Background(), 1, nil); err != nil {
			rt.Fatal(err)
		}
		for i, want := range memory {
			got := make([]byte, len(want))
			if err := im.Space(i).ReadMemory(base, got); err != nil || !bytes.Equal(got, want) {
				rt.Fatalf("memory of process %d differs, %v", i, err)
			}
		}
	})
}
