package image

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFamiliesThatAreRefused has layouts and trees that no image can have.
func TestFamiliesThatAreRefused(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(l *Layout){
		"which is not in front of it": func(l *Layout) { l.Processes[1].Same[0].Process = 1 },
		"which has none there":        func(l *Layout) { l.Processes[1].Same[0].Len, l.Processes[1].Runs = 0x6000, nil },
		"overlaps another":            func(l *Layout) { l.Processes[1].Same[0].Len = 0x4000 },
		"or its object's":             func(l *Layout) { l.Processes[0].Runs = append(l.Processes[0].Runs, Run{0x20000, 0x1000}) },
		"shows bytes from 0x4000":     func(l *Layout) { l.Processes[1].Areas[1].Offset = 0x4000 },
		"of kind \"anonymous\"":       func(l *Layout) { l.Processes[1].Areas[1].Kind = Anonymous },
		"not inside area":             func(l *Layout) { l.Objects[0].Runs[0].Len = 0x6000 },
		"or there twice":              func(l *Layout) { l.Objects = append(l.Objects, l.Objects[0]) },
		"is said to be anonymous": func(l *Layout) {
			l.Processes[1].Areas[0].Kind = PrivateFile
		},
		"10001 processes": func(l *Layout) { l.Processes = append(l.Processes, make([]Space, maxProcesses-2)...) },
		"0 processes":     func(l *Layout) { l.Processes = nil },
	} {
		w, err := Create(t.Context(), filepath.Join(t.TempDir(), "image"))
		if err != nil {
			t.Fatal(err)
		}
		l := familyLayout(family())
		change(&l)
		if err := w.Layout(l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		w.Abort()
	}
	for want, change := range map[string]func(m *Manifest){
		"process 4720 shares its memory with 4730":            func(m *Manifest) { m.Processes[1].Shares.Memory = 4730 },
		"process 4720 shares its descriptors with 4711":       func(m *Manifest) { m.Processes[1].Shares.Descriptors = 4711 },
		"process 4711 shares its working directory with 4711": func(m *Manifest) { m.Processes[0].Shares.FS = 4711 },
		"process 4720 comes before its parent 4730":           func(m *Manifest) { m.Processes[1].PPID = 4730 },
		"process 4711 comes before its parent 4711":           func(m *Manifest) { m.Processes[0].PPID = 4711 },
		"the first process has ended":                         func(m *Manifest) { m.Processes[0] = m.Processes[2] },
		"thread 4712 is there twice":                          func(m *Manifest) { m.Processes[1].Threads[1].TID = 4712 },
		"it has ended, but has":                               func(m *Manifest) { m.Processes[2].Descriptors = m.Processes[0].Descriptors },
		"objects are not those of the layout": func(m *Manifest) {
			m.Processes[0].Areas[1].Object, m.Processes[1].Areas[1].Object, m.Objects = 0, 0, nil
		},
		"object 77 is not that":         func(m *Manifest) { m.Objects[0].Size = 0x7000 },
		"areas of process 4720 are not": func(m *Manifest) { m.Processes[1].Areas[1].Offset = 0x1000 },
	} {
		m := family()
		m.Processes[0].Threads[1].TID = 4712
		w, err := Create(t.Context(), filepath.Join(t.TempDir(), "image"))
		if err != nil {
			t.Fatal(err)
		}
		l := familyLayout(m)
		for i := range l.Processes {
			l.Processes[i].Runs, l.Processes[i].Same = nil, nil
		}
		l.Objects[0].Runs = nil
		if err := w.Layout(l); err != nil {
			t.Fatal(err)
		}
		change(m)
		if _, err := w.Finish(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		w.Abort()
	}
}

// TestManyProcesses has as many as there may be.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	const n = maxProcesses
	m := sample()
	m.Processes[0].Threads = manyThreads(1)
	areas := []Area{{Start: 0x10000, End: 0x12000, Kind: Anonymous, File: -1}}
	m.Processes[0].Areas = areas
	l := one(areas, []Run{{0x10000, PageSize}})
	for i := 1; i < n; i++ {
		p := m.Processes[0]
		p.PID, p.PPID = 4711+i, 4711
		p.Threads = slices.Clone(p.Threads)
		p.Threads[0].TID = p.PID
		m.Processes = append(m.Processes, p)
		l.Processes = append(l.Processes, Space{Areas: areas, Same: []Same{{Run{0x10000, PageSize}, i - 1}}})
	}
	path := filepath.Join(t.TempDir(), "image")
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Layout(l); err != nil {
		t.Fatal(err)
	}
	if err := w.Process(0).WriteMemory(0x10000, randomBytes(PageSize, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(m, CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	im := open(t, path)
	if err := im.Verify(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, PageSize)
	if err := im.Space(n-1).ReadMemory(0x10000, got); err != nil || !bytes.Equal(got, randomBytes(PageSize, 1)) {
		t.Errorf("memory of the last one differs, %v", err)
	}
	if s := im.Stats(); s.Memory != PageSize || im.Process(n - 1).Threads[0].TID != 4711+n-1 {
		t.Errorf("%d bytes of memory", s.Memory)
	}
}

// TestHostileFamily changes what accident does not: all checksums fit.
func TestHostileFamily(t *testing.T) {
	t.Parallel()
	path := tinyFamily(t)
	im := open(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := binary.LittleEndian.PutUint64
	phdr := func(b []byte, part, load int) []byte { // of a PT_LOAD
		return b[im.parts[part].pos+ehdrSize+uint64(1+load)*phdrSize:]
	}
	table := func(b []byte) []byte {
		n := note{ownerCkpt, ckptParts, nil}.append(nil)
		return b[bytes.Index(b, n[8:])+len(n)-8:]
	}
	segs := im.Space(1).Segments()
	for name, change := range map[string]func(b []byte){
		"shares what is behind it":  func(b []byte) { put(phdr(b, 1, 0)[8:], segs[1].Pos+PageSize) },
		"shares and owns":           func(b []byte) { put(phdr(b, 1, 0)[8:], segs[1].Pos-PageSize) },
		"shares what is in front":   func(b []byte) { put(phdr(b, 1, 0)[8:], 0) },
		"shares half a page":        func(b []byte) { put(phdr(b, 1, 0)[8:], segs[0].Pos+1) },
		"shares more than there is": func(b []byte) { put(phdr(b, 1, 0)[32:], 1<<63) },
		"owns something else":       func(b []byte) { put(phdr(b, 1, 1)[8:], segs[1].Pos+PageSize) },
		"owns more":                 func(b []byte) { put(phdr(b, 1, 1)[32:], 0x5000) },
		"another window":            func(b []byte) { put(phdr(b, 1, 2)[8:], segs[2].Pos-PageSize) },
		"a wider window":            func(b []byte) { put(phdr(b, 1, 2)[32:], segs[2].FileLen+PageSize) },
		"no window":                 func(b []byte) { put(phdr(b, 1, 2)[32:], 0) },
		"object elsewhere":          func(b []byte) { put(phdr(b, 0, 0)[8:], im.placed.end) },
		"object is smaller":         func(b []byte) { put(phdr(b, 0, 0)[40:], 0x1000) },
		"notes elsewhere":           func(b []byte) { put(b[im.parts[1].pos+ehdrSize+8:], 0) },
		"part twice":                func(b []byte) { copy(table(b)[2*partEntry:], table(b)[partEntry:2*partEntry]) },
		"part elsewhere":            func(b []byte) { put(table(b), im.parts[0].pos+8) },
		"part behind the end":       func(b []byte) { put(table(b), 1<<62) },
		"part longer than the file": func(b []byte) { put(table(b)[8:], 1<<62) },
		"part longer than it is":    func(b []byte) { put(table(b)[8:], im.parts[0].len+8) },
		"parts exchanged": func(b []byte) {
			one := bytes.Clone(table(b)[:partEntry])
			copy(table(b), table(b)[partEntry:2*partEntry])
			copy(table(b)[partEntry:], one)
		},
	} {
		b := bytes.Clone(good)
		change(b)
		if err := os.WriteFile(path, fitSeal(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !isFound(err) || strings.Contains(err.Error(), "seal") || strings.Contains(err.Error(), "checksum") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(path, fitSeal(bytes.Clone(good)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := check(path); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}
