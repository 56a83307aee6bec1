package image

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	const size = 8 << 20
	const piece = 3 * PageSize
	mem := randomBytes(size, 7)
	clear(mem[1<<20 : 3<<20]) // a hole worth punching
	m := sample()
	m.Processes[0].Areas = []Area{{Start: 0x10000, End: 0x10000 + size, Kind: Anonymous, File: -1, Prot: ProtRead}}
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Layout(one(m.Processes[0].Areas, []Run{{0x10000, size}})); err != nil {
		t.Fatal(err)
	}
	var next atomic.Int64
	var group sync.WaitGroup
	refs := make([]PayloadRef, 4)
	for i := range refs {
		group.Go(func() {
			for {
				at := int(next.Add(piece) - piece)
				if at >= size {
					break
				}
				if err := w.Process(0).WriteMemory(uint64(0x10000+at), mem[at:min(at+piece, size)]); err != nil {
					t.Error(err)
					return
				}
			}
			var err error
			if refs[i], err = w.AddPayload(newPayload(mem), int64(100*i), nil); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	stats, err := w.Commit(m, CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if stats.ZeroSkipped < 2<<20-2*piece || stats.Memory+stats.ZeroSkipped != size || stats.Payload != 600 {
		t.Errorf("stats %+v", stats)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil || st.Blocks*512 > 6<<20+128<<10 {
		t.Errorf("%d KiB on disk for 6 MiB, %v", st.Blocks/2, err)
	}
	im := open(t, path)
	if err := im.Verify(context.Background(), 3, nil); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, size)
	if err := im.Space(0).ReadMemory(0x10000, got); err != nil || !bytes.Equal(got, mem) {
		t.Errorf("memory differs, %v", err)
	}
	for i, ref := range refs {
		if r, err := im.Payload(ref); err != nil || r.Size() != int64(100*i) {
			t.Errorf("payload %d: %v", i, err)
		}
	}
}

func TestDataPieces(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][][2]int{
		"d": {{0, 1}}, "0": nil, "0000": nil, "000d": {{0, 4}}, "0000d": {{4, 5}}, "d000": {{0, 4}},
		"d0000": {{0, 1}}, "d000d": {{0, 5}}, "d00000d0d": {{0, 1}, {6, 9}}, "00000d0000d00000": {{5, 6}, {10, 11}},
	} {
		p := make([]byte, len(in)*PageSize)
		for i, c := range in {
			if c == 'd' {
				p[(i+1)*PageSize-1] = 1
			}
		}
		var got [][2]int
		for _, x := range dataPieces(p) {
			got = append(got, [2]int{x[0] / PageSize, x[1] / PageSize})
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", in, got, want)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", in, got, want)
			}
		}
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	area := func(k AreaKind) []Area {
		return []Area{{Start: 0x10000, End: 0x20000, Kind: k, File: -1}}
	}
	for name, c := range map[string]struct {
		areas []Area
		runs  []Run
	}{
		"vsyscall":       {areas: []Area{{Start: 0xffffffffff600000, End: 0xffffffffff601000, Kind: Anonymous}}},
		"overlap":        {areas: append(area(Anonymous), area(Anonymous)...)},
		"run of vvar":    {area(VVar), []Run{{0x10000, 0x1000}}},
		"run outside":    {area(Anonymous), []Run{{0x20000, 0x1000}}},
		"run before":     {area(Anonymous), []Run{{0xf000, 0x1000}}},
		"run too long":   {area(Anonymous), []Run{{0x10000, 0x11000}}},
		"run of bytes":   {area(Anonymous), []Run{{0x10000, 0x800}}},
		"empty run":      {area(Anonymous), []Run{{0x10000, 0}}},
		"runs overlap":   {area(Anonymous), []Run{{0x10000, 0x2000}, {0x11000, 0x1000}}},
		"run that wraps": {area(Anonymous), []Run{{0x11000, 1<<64 - 0x1000}}},
	} {
		w, err := Create(t.Context(), filepath.Join(dir, "image"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Layout(one(c.areas, c.runs)); err == nil {
			t.Errorf("%s: taken", name)
		}
		w.Abort()
	}
	m := sample()
	mem := content{Run{0x12000, 0x4000}, randomBytes(0x4000, 1)}
	start := func() *Writer {
		m.Processes[0].Areas = area(Anonymous)
		w, err := Create(t.Context(), filepath.Join(dir, "image"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Abort)
		if err := w.Layout(one(m.Processes[0].Areas, []Run{mem.run})); err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := start()
	for _, at := range []uint64{0x11000, 0x13000, 0x12800} {
		if err := w.Process(0).WriteMemory(at, mem.bytes); err == nil {
			t.Errorf("memory at %#x was taken", at)
		}
	}
	if err := w.Process(0).WriteMemory(0x12000, mem.bytes[:0x2000]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(m); err == nil || !strings.Contains(err.Error(), "8192 of 16384 bytes") {
		t.Errorf("half of the memory: %v", err)
	}
	if err := w.Process(0).WriteMemory(0x12000, mem.bytes[:0x2000]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(m); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the same memory twice: %v", err)
	}
	w.Abort()
	w = start()
	if err := w.Process(0).SkipMemory(0x12000, 0x4000); err != nil {
		t.Fatal(err)
	}
	m.Processes[0].Areas = nil
	if _, err := w.Finish(m); err == nil || !strings.Contains(err.Error(), "areas") {
		t.Errorf("other areas: %v", err)
	}
	m.Processes[0].Areas = area(Anonymous)
	if s, err := w.Commit(m, CommitOptions{}); err != nil || s.Memory != 0 {
		t.Errorf("skipped memory: %+v, %v", s, err)
	}
}

// TestManyAreas needs PN_XNUM.
func TestManyAreas(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	const n = 70_000
	areas := make([]Area, n)
	for i := range areas {
		at := Addr(0x10000 + i*2*PageSize)
		areas[i] = Area{Start: at, End: at + PageSize, Kind: Anonymous, File: -1, Prot: Prot(i % 8)}
	}
	last := uint64(areas[n-1].Start)
	mem := randomBytes(PageSize, 9)
	write(t, path, sample(), areas, []content{{Run{last, PageSize}, mem}})
	im := open(t, path)
	if err := im.Verify(context.Background(), 2, nil); err != nil {
		t.Fatal(err)
	}
	if len(im.Space(0).Segments()) != n {
		t.Errorf("%d segments", len(im.Space(0).Segments()))
	}
	got := make([]byte, PageSize)
	if err := im.Space(0).ReadMemory(last, got); err != nil || !bytes.Equal(got, mem) {
		t.Errorf("memory differs, %v", err)
	}
	out, errs := run(t, "readelf", "-h", "-l", "-W", path)
	if errs != "" {
		t.Errorf("readelf warns: %.300s", errs)
	}
	wantLines(t, out[:min(len(out), 3000)], "65535 (70001)")
}

// TestScatteredMemory has more runs than there may be program headers.
func TestScatteredMemory(t *testing.T) {
	t.Parallel()
	areas := []Area{{Start: 0x10000, End: 1 << 45, Kind: Anonymous, File: -1}}
	runs := make([]Run, maxSegments+10)
	for i := range runs {
		runs[i] = Run{0x10000 + uint64(i)*segmentGap*2, PageSize}
	}
	l := one(areas, runs)
	placed, err := l.plan(Stretch{})
	if err != nil || len(placed.processes[0]) > maxSegments {
		t.Fatalf("%d segments, %v", len(placed.processes[0]), err)
	}
	m := sample()
	m.Processes[0].Areas = areas
	if err := placed.check(m, 1<<50); err != nil {
		t.Error(err)
	}
	areas[0].Kind = PrivateFile // where a gap must not become a hole
	if _, err := l.plan(Stretch{}); err == nil {
		t.Error("too many segments were taken")
	}
}

func TestVerifyProgressAndCancel(t *testing.T) {
	t.Parallel()
	im := open(t, small(t))
	var last, calls int64
	err := im.Verify(context.Background(), 2, func(done, total int64) {
		calls++
		if done <= last || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	})
	if want := im.Stats(); err != nil || last != want.Memory+want.Payload || calls != int64(want.Chunks) {
		t.Errorf("%d bytes in %d steps, want %+v, %v", last, calls, want, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := im.Verify(ctx, 2, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// TestVerifyExcept leaves out each chunk, of memory and of payload, once.
func TestVerifyExcept(t *testing.T) {
	t.Parallel()
	im := open(t, small(t))
	stats := im.Stats()
	if stats.Memory == 0 || stats.Payload == 0 {
		t.Fatalf("one kind is missing: %+v", stats)
	}
	for i := range stats.Chunks {
		except := make([]bool, stats.Chunks)
		except[i] = true
		var last, total int64
		err := im.VerifyAs(context.Background(), Verification{
			Except:   map[*Image][]bool{im: except},
			Progress: func(done, all int64) { last, total = done, all },
		})
		if want := stats.Memory + stats.Payload - int64(im.chunks.at(i).Len); err != nil || total != want || last != want {
			t.Errorf("without chunk %d: %d of %d bytes, want %d: %v", i, last, total, want, err)
		}
	}
}

// TestChunkTableOneWay: what was decoded would be encoded just so. Open relies on that.
func TestChunkTableOneWay(t *testing.T) {
	t.Parallel()
	chunks := open(t, small(t)).chunks
	read := chunks.encode()
	chunks.encoded = nil
	if made := chunks.encode(); len(chunks.memory) == 0 || len(chunks.payload) == 0 || !bytes.Equal(made, read) {
		t.Errorf("%x was read as %x", read, made)
	}
	read = bytes.Clone(read)
	read[12] |= 2 // flags
	if _, err := decodeChunks(read); !errors.Is(err, ErrCorrupt) {
		t.Errorf("unknown flags: %v", err)
	}
}

// diskEnv names the mount point to a test binary that runs in a mount
// namespace of its own.
const diskEnv = "CKPT_TEST_FULL_DISK"

func TestFullDisk(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(diskEnv); dir != "" {
		fillDisk(t, dir)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), diskEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("no mount namespace: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("%s", out)
	}
}

// fillDisk runs in its own mount namespace.
func fillDisk(t *testing.T, dir string) {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		t.Skipf("private mounts: %v", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount a tmpfs: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	path := filepath.Join(dir, "image")
	for _, c := range []struct {
		name string
		runs int
		size uint64
	}{{"reserved", 1, 4 << 20}, {"written", 1000, PageSize}} {
		w, err := Create(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		var runs []Run // too short to be reserved, and with gaps in the file
		for i := range c.runs {
			runs = append(runs, Run{0x10000 + uint64(i)*(c.size+PageSize), c.size})
		}
		areas := []Area{{Start: 0x10000, End: 0x10000000, Kind: Anonymous, File: -1}}
		err = w.Layout(one(areas, runs))
		for i := 0; err == nil && i < len(runs); i++ {
			err = w.Process(0).WriteMemory(runs[i].Start, randomBytes(int(runs[i].Len), 1))
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "needs 4") {
			t.Errorf("%s: %v", c.name, err)
		}
		w.Abort()
		if got := files(t, path); len(got) != 0 {
			t.Errorf("%s: left behind: %q", c.name, got)
		}
	}
}
