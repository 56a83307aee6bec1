package tests

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ckpt/internal/image"
)

const otherBootID = "00000000-1111-4222-8333-444444444444"

// clockProgram is a probe that compares clocks before and after.
func clockProgram(t *testing.T) *probe {
	t.Helper()
	all, err := probes()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(p *probe) bool { return p.String() == "clk_forward" })
	if i < 0 {
		t.Fatal("no probe clk_forward")
	}
	return all[i]
}

// TestOtherBootID: what was saved under another boot goes on with the clocks it
// had, in a time namespace.
func TestOtherBootID(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for _, ahead := range []time.Duration{0, 1000 * time.Second, -time.Second} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			r := startProbe(t, clockProgram(t), 0)
			r.save("--then", "kill")
			r.wait()
			saved := time.Now()
			rewriteImage(t, r.dir, func(m *image.Manifest, _ func(*image.Area) []byte) {
				m.Host.BootID = otherBootID
				m.Host.Clocks.Monotonic += int64(ahead)
				m.Host.Clocks.Boottime += int64(ahead)
			})
			r.restore("ckpt")
			if s := text(r.dir, "restore.err"); s != "" {
				t.Fatalf("there is nothing to warn of: %s", s)
			}
			// The time without the program has not passed for it.
			want, gone := ahead.Seconds(), time.Since(saved).Seconds()
			for clock, offset := range timeOffsets(t, r.pid()) {
				if offset > want || offset < want-gone-30 {
					t.Errorf("%s is %f s ahead, want %f s less up to %f s", clock, offset, want, gone)
				}
			}
			if ahead == 0 {
				r.finish()
			}
		})
	}
}

// timeOffsets are the offsets of a process's time namespace, in seconds.
func timeOffsets(t *testing.T, pid int) map[string]float64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/timens_offsets", pid))
	if err != nil {
		t.Fatal(err)
	}
	offsets := map[string]float64{}
	for line := range strings.Lines(string(data)) {
		var clock string
		var sec, nsec float64
		if _, err := fmt.Sscan(line, &clock, &sec, &nsec); err != nil {
			t.Fatalf("timens_offsets: %q: %v", line, err)
		}
		offsets[clock] = sec + nsec/1e9
	}
	if len(offsets) != 2 {
		t.Fatalf("timens_offsets: %s", data)
	}
	return offsets
}

// TestOtherBootIDUnprivileged: without the right to make a time namespace the
// program runs all the same, and one line says what is different.
func TestOtherBootIDUnprivileged(t *testing.T) {
	t.Parallel()
	uid := os.Geteuid()
	if isRoot() {
		uid = nobody
	}
	r := startProbe(t, clockProgram(t), uid)
	r.save("--then", "kill")
	r.wait()
	rewriteImage(t, r.dir, func(m *image.Manifest, _ func(*image.Area) []byte) { m.Host.BootID = otherBootID })
	r.restore("ckpt")
	r.finish()
	if s := text(r.dir, "restore.err"); strings.Count(s, "\n") != 1 || !strings.Contains(s, "monotonic clock") {
		t.Errorf("not one line about the clock: %q", s)
	}
}
