package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseSizes(t *testing.T) {
	t.Parallel()
	got, err := parseSizes("16M,1G,8192")
	if err != nil || len(got) != 3 || got[0] != 16<<20 || got[1] != 1<<30 || got[2] != 8192 {
		t.Fatalf("parseSizes = %v, %v", got, err)
	}
	if got, err := parseSizes(""); err != nil || len(got) != 0 {
		t.Errorf("parseSizes of nothing = %v, %v", got, err)
	}
	for _, bad := range []string{"x", "M", "-1M", "0", "100", "9999999999G"} {
		if got, err := parseSizes(bad); err == nil {
			t.Errorf("parseSizes(%q) = %v", bad, got)
		}
	}
}

// TestProgram checks that what the benchmark relies on is so: the program
// beats, answers until it is dead, and its gaps are seen. It is not parallel:
// who ends a program of the benchmark waits for all children there are, and
// would take those of another test.
func TestProgram(t *testing.T) {
	ctx := t.Context()
	tools, err := build(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := tools.start(ctx, nil, shape{Size: 8 << 20, Threads: 3, Processes: 2, Random: true, Dirty: dirtyRate})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.check(ctx); err != nil {
		t.Error(err)
	}
	if ns, err := p.do(ctx, commandFork); err != nil || ns == 0 {
		t.Errorf("fork took %d ns, %v", ns, err)
	}
	begin, err := now()
	if err != nil {
		t.Fatal(err)
	}
	n, err := p.beats()
	if err != nil {
		t.Fatal(err)
	}
	at, err := p.beatAfter(ctx, n+10)
	if err != nil || at < begin {
		t.Errorf("beat at %d, which was waited for since %d, %v", at, begin, err)
	}
	// The program pauses for a millisecond after each beat.
	if gap, err := p.longestGap(n, n+10); err != nil || gap < time.Millisecond {
		t.Errorf("longest gap %v, %v", gap, err)
	}
	p.kill()
	if err := p.check(ctx); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("a dead program answers: %v", err)
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	tools, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := run{Image: 5<<20 + 4096}
	if err := tools.references(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []reference{write, reserve, warmRead, freshRead, hugeRead} {
		if ref.time(r) <= 0 {
			t.Errorf("%s took %v", ref.name, ref.time(r))
		}
	}
	if left, err := os.ReadDir(tools.dir); err != nil || len(left) != 6 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	fast := run{Save: 12e6, Pause: 7e6, Restore: 8e6, Write: 1e6, Reserve: 1e6, FreshRead: 2e6, HugeRead: 1e6, Lazy: 7e6, WarmRead: 1e6, Fork: 1e5, Image: 2e6}
	slow := fast
	slow.Save, slow.Restore, slow.Pause = 200e6, 9e6, 59e6
	big := run{Save: 160e6, Stopped: 150e6, Restore: 800e6, Write: 100e6, Reserve: 90e6, FreshRead: 500e6, HugeRead: 400e6, Lazy: 13e6, WarmRead: 90e6, Fork: 20e6, Image: 1e9}
	r := &report{Series: []series{
		{"ckpt", small, []run{fast, slow, slow}}, {"ckpt", large(1 << 30), []run{big}}, {"criu", small, []run{slow}}, {preloaded{}.name(), small, []run{fast}},
		{"ckpt", shape{Size: 1 << 30, Threads: 1, Processes: 1, Random: true}, []run{big}}, {"ckpt", shape{Size: 1 << 30, Threads: 1, Processes: 1, Dirty: dirtyRate}, []run{slow}}, {"ckpt", large(16 << 20), []run{slow}},
		{"ckpt", shape{Threads: 200, Processes: 1}, []run{slow}}, {"ckpt", shape{Threads: 1, Processes: 50}, []run{slow}},
	}}
	r.Bars = bars(r.Series)
	packed := packing{"python3", []packingRun{{Plain: 1e8, Packed: 2e8, Memory: 1e8, Size: 2e7}, {Plain: 1e8, Packed: 1e8, Memory: 1e8, Size: 3e7}}}
	r.Bars = append(r.Bars, packed.bars()...)
	r.note("dmtcp: %s", "not here")
	verdicts := []bool{false, false, true, false, false, true, false, false, true, false, false, false, true, false, true, true, false}
	if len(r.Bars) != len(verdicts) {
		t.Fatalf("bars %+v", r.Bars)
	}
	for i, pass := range verdicts {
		if r.Bars[i].Pass != pass {
			t.Errorf("bar %+v", r.Bars[i])
		}
	}
	var table, document bytes.Buffer
	r.Machine.writeHead(&table)
	for _, s := range r.Series {
		s.writeRows(&table)
	}
	packed.writeRows(&table)
	r.writeBars(&table)
	for _, want := range []string{"FAIL  small program, save: 200 ms, at most 15.0", "1.60 × fresh read", "pass  1 GB, save --then stop without fsync: 1.50 × write", "FAIL  1 GB, restore: 2.00 × huge read", "FAIL  1 GB, restore --lazy: 13.0 ms", "criu, small", "FAIL  50 processes, pause: 59.0 ms, at most 50.0", "2.00 × plain, 1000 MB/s", "200 threads, pause for each: 0.29", "dmtcp: not here"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, &table)
		}
	}
	if err := r.writeJSON(&document); err != nil || !strings.Contains(document.String(), `"save / write"`) {
		t.Errorf("%v in\n%s", err, &document)
	}
}

func TestStat(t *testing.T) {
	t.Parallel()
	if got := newStat([]float64{3, 1, 2}); got != (stat{1, 2, 3}) {
		t.Errorf("stat %+v", got)
	}
}
