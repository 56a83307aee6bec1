package restore

import (
	"errors"
	"math"
	"strings"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
)

// TestHostile: values that no writer writes, in images whose seal is whole, are
// errors before anything is done.
func TestHostile(t *testing.T) {
	t.Parallel()
	area := func(change func(a *image.Area)) func(p *image.Process) {
		return func(p *image.Process) { change(&p.Areas[0]) }
	}
	timers := func(timers ...image.POSIXTimer) func(p *image.Process) {
		return func(p *image.Process) { p.Timers.POSIX = timers }
	}
	for name, change := range map[string]func(p *image.Process){
		"shared mapping of no file":  area(func(a *image.Area) { a.Kind = image.SharedFile }),
		"private mapping of no file": area(func(a *image.Area) { a.Kind = image.PrivateFile }),
		"huge vDSO":                  area(func(a *image.Area) { a.Kind, a.End = image.VDSO, a.Start+1<<46 }),
		"two vDSOs": func(p *image.Process) {
			p.Areas[0].Kind = image.VDSO
			p.Areas = append(p.Areas, image.Area{Start: 0x403000, End: 0x404000, Kind: image.VDSO, File: -1})
		},
		"vDSO's data without it":  area(func(a *image.Area) { a.Kind = image.VVar }),
		"shared object wraps":     area(func(a *image.Area) { a.Kind, a.Offset = image.SharedAnonymous, ^uint64(0)&^(pageSize-1) }),
		"shared object, unevenly": area(func(a *image.Area) { a.Kind, a.Offset = image.SharedAnonymous, 1 }),
		"auxv too long":           func(p *image.Process) { p.Auxv = make([]byte, 1<<20) },
		"half an auxv entry":      func(p *image.Process) { p.Auxv = make([]byte, 24) },
		"relative directory":      func(p *image.Process) { p.Cwd = "tmp" },
		"no directory":            func(p *image.Process) { p.Cwd = "" },
		"zero in directory":       func(p *image.Process) { p.Cwd = "/a\x00b" },
		"long name":               func(p *image.Process) { p.Threads[0].Comm = strings.Repeat("x", 16) },
		"zero in name":            func(p *image.Process) { p.Threads[0].Comm = "a\x00" },
		"affinity":                func(p *image.Process) { p.Threads[0].Affinity = make([]uint64, 1<<20) },
		"pending signal 0":        func(p *image.Process) { p.Signals.Pending = [][]byte{siginfo(0)} },
		"pending signal 65":       func(p *image.Process) { p.Threads[0].Pending = [][]byte{siginfo(65)} },
		"pending signal -1":       func(p *image.Process) { p.Threads[0].Pending = [][]byte{siginfo(-1)} },
		"pending signal 257":      func(p *image.Process) { p.Threads[0].Pending = [][]byte{siginfo(257)} },
		"negative timer":          timers(image.POSIXTimer{ID: -1}),
		"huge timer":              timers(image.POSIXTimer{ID: math.MaxInt32 + 1}),
		"timer twice":             timers(image.POSIXTimer{ID: 2}, image.POSIXTimer{ID: 1}, image.POSIXTimer{ID: 2}),
		"time left below zero":    timers(image.POSIXTimer{Value: -1}),
		"interval below zero":     func(p *image.Process) { p.Timers.Interval[1].Interval = -1 },
		"limits":                  func(p *image.Process) { p.Limits[3] = image.Rlimit{Cur: 2, Max: 1} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := sample(t)
			change(&m.Processes[0])
			path := write(t, m)
			if _, err := Compile(Options{Path: path}); !errors.Is(err, image.ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want a damaged image by name", err)
			}
		})
	}
}

// TestNotWritten: what is wrong for every reader is neither written nor read.
func TestNotWritten(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(p *image.Process){
		"negative descriptor": func(p *image.Process) { p.Descriptors = []image.Descriptor{{FD: -1}} },
		"no such file":        func(p *image.Process) { p.Descriptors = []image.Descriptor{{FD: 1, File: 7}} },
		"area of no file":     func(p *image.Process) { p.Areas[0].File = 7 },
		"empty siginfo":       func(p *image.Process) { p.Signals.Pending = [][]byte{{}} },
		"short siginfo":       func(p *image.Process) { p.Threads[0].Pending = [][]byte{{1, 2, 3}} },
		"limits":              func(p *image.Process) { p.Limits = p.Limits[:3] },
		"signal 65":           func(p *image.Process) { p.Signals.Actions = map[int]abi.SigAction{65: {}} },
	} {
		m := sample(t)
		change(&m.Processes[0])
		w, err := image.Create(t.Context(), t.TempDir()+"/myckpt")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Layout(image.Layout{Processes: []image.Space{{Areas: m.Processes[0].Areas}}}); err == nil {
			_, err = w.Commit(m, image.CommitOptions{})
			if err == nil {
				t.Errorf("%s: an image says so", name)
			}
		}
		w.Abort()
	}
}

// TestHostNumbers: a descriptor that this process can not have is named before
// anything is done.
func TestHostNumbers(t *testing.T) {
	t.Parallel()
	for _, fd := range []int{1 << 30, math.MaxInt32, math.MaxInt64} {
		m := sample(t)
		m.Files = []image.OpenFile{{Kind: "regular", Path: "/x"}}
		m.Processes[0].Descriptors = []image.Descriptor{{FD: fd}}
		var refused *HostError
		if _, err := Compile(Options{Path: write(t, m)}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "ulimit") {
			t.Errorf("descriptor %d: %v", fd, err)
		}
	}
}
