package save

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// TestClocks: the clocks of a process in another time namespace than ours.
func TestClocks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(pid int, text string) {
		dir := filepath.Join(root, itoa(pid))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "timens_offsets"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const other = 1 << 29 // no pid
	now := func(clock int32) int64 {
		v, err := sys.ClockNow(clock)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct{ ours, theirs int64 }{{0, 0}, {0, 86400}, {3600, 0}, {7200, -7200}} {
		write(os.Getpid(), fmt.Sprintf("monotonic %d 0\nboottime %d 5\n", c.ours, 2*c.ours))
		write(other, fmt.Sprintf("monotonic %d 7\nboottime %d 9\n", c.theirs, 3*c.theirs))
		before := [3]int64{now(sys.ClockRealtime), now(sys.ClockMonotonic), now(sys.ClockBoottime)}
		got, err := readClocks(proc.FS{Root: root}, other)
		after := [3]int64{now(sys.ClockRealtime), now(sys.ClockMonotonic), now(sys.ClockBoottime)}
		if err != nil {
			t.Fatal(err)
		}
		const second = int64(time.Second)
		shift := [3]int64{0, (c.theirs-c.ours)*second + 7, (3*c.theirs-2*c.ours)*second + 4}
		for i, v := range [3]int64{got.Realtime, got.Monotonic, got.Boottime} {
			if v < before[i]+shift[i] || v > after[i]+shift[i] {
				t.Errorf("ours %d, theirs %d: clock %d is %d, not in %d-%d", c.ours, c.theirs, i, v, before[i]+shift[i], after[i]+shift[i])
			}
		}
		if got.MonotonicOffset != c.theirs*second+7 || got.BoottimeOffset != 3*c.theirs*second+9 {
			t.Errorf("offsets %+v", got)
		}
	}
}

func TestDescribeHost(t *testing.T) {
	t.Parallel()
	h, err := describeHost(proc.Host())
	if err != nil {
		t.Fatal(err)
	}
	if h.Arch == "" || h.PageSize != pageSize || h.Kernel == "" || len(h.BootID) != 36 || h.CPU.Model == "" {
		t.Errorf("%+v", h)
	}
	if f := h.CPU.Features; !slices.IsSorted(f) || !slices.Contains(f, "sse2") || len(slices.Compact(slices.Clone(f))) != len(f) {
		t.Errorf("features %q", f)
	}
}
