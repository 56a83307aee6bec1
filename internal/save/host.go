package save

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// describeHost says where the image is made. xsave is the size of a thread's
// NT_X86_XSTATE register set, xfeatures the processor features it covers.
func describeHost(fs proc.FS, xsave int, xfeatures uint64) (image.Host, error) {
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
	h.CPU = image.CPU{Model: cpu.Model, Features: slices.Compact(features), XFeatures: xfeatures, XSaveSize: xsave}
	if h.Clocks, err = readClocks(); err != nil {
		return h, fmt.Errorf("read the clocks: %w", err)
	}
	return h, nil
}

func readClocks() (c image.Clocks, err error) {
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
	return c, nil
}
