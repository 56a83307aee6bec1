package save

import (
	"os"
	"runtime"
	"slices"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// describeHost says where the image is made, but for the clocks and what describeXSave adds.
func describeHost(fs proc.FS) (image.Host, error) {
	h := image.Host{Arch: runtime.GOARCH, PageSize: os.Getpagesize()}
	var err error
	if h.Name, h.Kernel, err = sys.Uname(); err != nil {
		return h, err
	}
	if h.BootID, err = fs.BootID(); err != nil {
		return h, err
	}
	cpu, err := fs.CPUInfo()
	if err != nil {
		return h, err
	}
	features := slices.Clone(cpu.Flags)
	slices.Sort(features)
	h.CPU = image.CPU{Model: cpu.Model, Features: slices.Compact(features)}
	return h, nil
}

// describeXSave adds what a thread has of the processor's state: xsave is its
// NT_X86_XSTATE register set.
func describeXSave(h *image.Host, xsave []byte) {
	h.CPU.XFeatures, h.CPU.XSaveSize = abi.XFeatures(xsave), len(xsave)
}

// readClocks reads our clocks and turns them into those of the process, which
// can be in another time namespace.
func readClocks(fs proc.FS, pid int) (c image.Clocks, err error) {
	ours, err := fs.Process(os.Getpid()).TimeOffsets()
	if err != nil {
		return c, err
	}
	theirs, err := fs.Process(pid).TimeOffsets()
	if err != nil {
		return c, err
	}
	for _, r := range []struct {
		clock int32
		to    *int64
	}{
		{sys.ClockRealtime, &c.Realtime},
		{sys.ClockMonotonic, &c.Monotonic},
		{sys.ClockBoottime, &c.Boottime},
	} {
		if *r.to, err = sys.ClockNow(r.clock); err != nil {
			return c, err
		}
	}
	c.Monotonic += theirs.Monotonic - ours.Monotonic
	c.Boottime += theirs.Boottime - ours.Boottime
	c.MonotonicOffset, c.BoottimeOffset = theirs.Monotonic, theirs.Boottime
	return c, nil
}
