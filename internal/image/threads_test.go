package image

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ckpt/internal/abi"
)

// writeThreads writes an image of threads that the sample's manifest gets.
func writeThreads(t testing.TB, threads []Thread) (string, *Manifest) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "threads.ckpt")
	m := sample()
	m.Processes[0].Threads = threads
	write(t, path, m, smallAreas(), smallMemory())
	return path, m
}

// manyThreads are n threads of which each has registers of its own.
func manyThreads(n int) []Thread {
	threads := make([]Thread, n)
	for i := range threads {
		threads[i] = Thread{
			TID: 4711 + i, Comm: fmt.Sprintf("worker %d", i), SigMask: uint64(i),
			Regs: abi.Regs{Rip: 0x401000 + uint64(i), Rsp: 0x7ffd00000000}, XSave: sampleXSave(byte(i)),
		}
	}
	return threads
}

func TestManyThreads(t *testing.T) {
	t.Parallel()
	const n = 1000
	path, _ := writeThreads(t, manyThreads(n))
	im := open(t, path)
	if err := im.Verify(context.Background(), 1, nil); err != nil {
		t.Fatal(err)
	}
	for i, got := range im.Process(0).Threads {
		if got.TID != 4711+i || got.Regs.Rip != 0x401000+uint64(i) || got.XSave[160] != 0xa0+byte(i) || got.SigMask != uint64(i) {
			t.Fatalf("thread %d came back as %d with rip %#x, xmm0 %#x, mask %#x", 4711+i, got.TID, got.Regs.Rip, got.XSave[160], got.SigMask)
		}
	}
	out, errs := run(t, "readelf", "-a", "-W", path)
	if errs != "" {
		t.Errorf("readelf warns: %.300s", errs)
	}
	for _, note := range []string{"NT_PRSTATUS", "NT_FPREGSET", "NT_X86_XSTATE", "NT_SIGINFO"} {
		if got := strings.Count(out, note); got != n {
			t.Errorf("%d notes %s for %d threads", got, note, n)
		}
	}
}

// TestDeadLeader has a first thread that has ended: it has no registers, and
// debuggers begin with the next one.
func TestDeadLeader(t *testing.T) {
	t.Parallel()
	threads := manyThreads(3)
	threads[0] = Thread{TID: 4711, Comm: "main", Dead: true}
	path, _ := writeThreads(t, threads)
	im := open(t, path)
	for i, got := range im.Process(0).Threads {
		if got.Dead != (i == 0) || got.Regs != threads[i].Regs || string(got.XSave) != string(threads[i].XSave) {
			t.Errorf("thread %d came back as %+v", i, got)
		}
	}
	out, _ := run(t, "gdb", "-batch", "-nx", "-core", path, "-ex", "info threads", "-ex", "info inferiors",
		"-ex", "p/x $xmm0.v16_int8", "-ex", "thread 2", "-ex", "p/x $pc", "-ex", "p $_siginfo.si_signo")
	wantLines(t, out, "* 1    LWP 4712", "  2    LWP 4713", "process 4711", "$1 = {0xa1, 0x0 <repeats 15 times>}",
		"$2 = 0x401002", "$3 = 0")
	if strings.Contains(out, "LWP 4711") {
		t.Errorf("the leader is there:\n%s", out)
	}
	out, errs := run(t, "eu-readelf", "-n", path)
	if errs != "" {
		t.Errorf("eu-readelf warns: %s", errs)
	}
	wantLines(t, out, "fname: main, psargs: prog -x", "pid: 4711,", "pid: 4712,", "pid: 4713,")
}

// TestThreadsThatAreRefused has threads that no reader could make sense of.
func TestThreadsThatAreRefused(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(all []Thread) []Thread{
		"only thread has ended": func([]Thread) []Thread { return []Thread{{TID: 4711, Dead: true}} },
		"not the leader": func(all []Thread) []Thread {
			all[1] = Thread{TID: 4712, Dead: true}
			return all
		},
		"has ended, but has registers": func(all []Thread) []Thread {
			all[0].Dead = true
			return all
		},
		"there twice": func(all []Thread) []Thread {
			all[2].TID = 4712
			return all
		},
		"200001 threads": func([]Thread) []Thread {
			all := make([]Thread, maxThreads+1)
			for i := range all {
				all[i].TID = 4711 + i
			}
			return all
		},
	} {
		m := sample()
		m.Processes[0].Threads = change(manyThreads(3))
		w := begin(t, filepath.Join(t.TempDir(), "image"), m, nil, nil)
		if _, err := w.Finish(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestHostileCounts has manifests that would become far larger than they are.
// It is not parallel: others allocate, too.
func TestHostileCounts(t *testing.T) {
	const n = 1 << 20
	list := strings.TrimSuffix(strings.Repeat("{},", n), ",")
	for name, text := range map[string]string{
		"threads":     `{"version":2,"processes":[{"threads":[` + list + `]}]}`,
		"areas":       `{"version":2,"processes":[{"areas":[` + list + `]}]}`,
		"descriptors": `{"version":2,"processes":[{"descriptors":[` + list + `]}]}`,
		"processes":   `{"version":2,"processes":[` + list + `]}`,
		"files":       `{"version":2,"files":[` + list + `]}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decodeManifest([]byte(text))
		runtime.ReadMemStats(&after)
		if !isFound(err) || !strings.Contains(err.Error(), "counts for") {
			t.Errorf("%s: %.200v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 10*uint64(len(text)) {
			t.Errorf("%s: %d bytes for a manifest of %d", name, used, len(text))
		}
	}
}

// TestBacktraces compares what gdb and eu-stack say about the threads of a
// real program in its image with what they say about the core that gdb itself
// wrote.
func TestBacktraces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, core, path := filepath.Join(dir, "threads"), filepath.Join(dir, "core"), filepath.Join(dir, "image")
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skipf("no gdb here: %v", err)
	}
	if _, errs := run(t, "gcc", "-g", "-O1", "-fno-omit-frame-pointer", "-static", "-pthread", "-o", program,
		"testdata/threads.c"); errs != "" {
		t.Fatalf("gcc: %s", errs)
	}
	run(t, "gdb", "-batch", "-nx", "-ex", "break ready", "-ex", "run", "-ex", "gcore "+core, program)
	m, areas, mem := fromCore(t, core)
	write(t, path, m, areas, mem)

	gdb := func(file string) string {
		out, _ := run(t, "gdb", "-batch", "-nx", "-ex", "info threads", "-ex", "thread apply all bt", program, file)
		_, out, _ = strings.Cut(out, "  Id ")
		return out
	}
	want := gdb(core)
	if strings.Count(want, " in deep (n=8)") != 1 || strings.Count(want, "in start_thread ()") != 8 {
		t.Fatalf("the core is not what it should be:\n%s", want)
	}
	if got := gdb(path); got != want {
		t.Errorf("gdb shows\n%s\nin the image and\n%s\nin the core", got, want)
	}
	stacks := func(file string) string {
		out, errs := run(t, "eu-stack", "-e", program, "--core", file)
		if errs != "" {
			t.Errorf("eu-stack warns about %s: %s", filepath.Base(file), errs)
		}
		return out
	}
	if got, want := stacks(path), stacks(core); got != want || strings.Count(got, "TID ") != 9 {
		t.Errorf("eu-stack shows\n%s\nin the image and\n%s\nin the core", got, want)
	}
}

// fromCore reads a core that gdb wrote.
func fromCore(t *testing.T, path string) (*Manifest, []Area, []content) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := sample()
	m.Host.CPU.XSaveLayout = gdbLayout
	p := &m.Processes[0]
	p.Threads = nil
	var areas []Area
	var mem []content
	for _, s := range f.Progs {
		b := make([]byte, s.Filesz)
		if _, err := io.ReadFull(s.Open(), b); err != nil {
			t.Fatal(err)
		}
		switch {
		case s.Type == elf.PT_NOTE:
			readCoreNotes(t, p, b)
		case s.Vaddr < uint64(MaxAddr) && s.Filesz > 0:
			areas = append(areas, Area{
				Start: Addr(s.Vaddr), End: Addr(s.Vaddr + s.Memsz), Prot: protOf(uint32(s.Flags)), Kind: Anonymous, File: -1,
			})
			mem = append(mem, content{Run{s.Vaddr, s.Filesz}, b})
		}
	}
	p.PID = p.Threads[0].TID
	return m, areas, mem
}

func readCoreNotes(t *testing.T, p *Process, b []byte) {
	t.Helper()
	for len(b) > 0 {
		n, rest, err := nextNote(b)
		if err != nil {
			t.Fatal(err)
		}
		b = rest
		switch {
		case n.owner == ownerCore && n.kind == ntPrstatus:
			var s prstatus
			if _, err := binary.Decode(n.desc, binary.LittleEndian, &s); err != nil {
				t.Fatal(err)
			}
			p.Threads = append(p.Threads, Thread{TID: int(s.PID), Regs: s.Regs})
		case n.owner == ownerLinux && n.kind == ntXState:
			p.Threads[len(p.Threads)-1].XSave = n.desc
		case n.owner == ownerCore && n.kind == ntAuxv:
			p.Auxv = n.desc
		}
	}
}
