package restore

import (
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"ckpt/internal/abi"
	"ckpt/internal/image"
)

const (
	// maxVDSO bounds the size of a saved vDSO with its data, in bytes. Those
	// of today are below 64 KiB.
	maxVDSO = 1 << 20
	// maxAuxv bounds the auxiliary vector, in bytes. Those of today are below
	// 512 bytes.
	maxAuxv = 4096
	// maxComm is the longest name of a thread (TASK_COMM_LEN - 1).
	maxComm = 15
	// maxCPUWords bounds an affinity mask (NR_CPUS is 8192 at most).
	maxCPUWords = 8192 / 64
)

// checkManifest checks what a restore relies on beyond what image.Open checks
// for every reader. Whatever else an image can say wrong, the kernel refuses
// before the program runs.
func checkManifest(p *image.Process) error {
	for _, check := range []func(*image.Process) error{checkMemory, checkStrings, checkSignals, checkTimers} {
		if err := check(p); err != nil {
			return fmt.Errorf("%w: %w", image.ErrCorrupt, err)
		}
	}
	for res, l := range p.Limits {
		if l.Cur > l.Max {
			return fmt.Errorf("%w: limit of %s: %d is above %d", image.ErrCorrupt, limitNames[res], l.Cur, l.Max)
		}
	}
	return nil
}

func checkMemory(p *image.Process) error {
	var vdsos int
	var kernel []image.Area
	for i := range p.Areas {
		a := &p.Areas[i]
		switch a.Kind {
		case image.VDSO, image.VVar:
			kernel = append(kernel, *a)
			if a.Kind == image.VDSO {
				vdsos++
			}
		case image.SharedFile, image.PrivateFile:
			if a.File < 0 && (a.Kind == image.SharedFile || !a.Whole) {
				return fmt.Errorf("%s is a mapping of no file", areaName(a))
			}
		case image.SharedAnonymous:
			if a.Offset%pageSize != 0 || a.Offset > userEnd-a.Size() {
				return fmt.Errorf("%s is part of a shared object at %#x", areaName(a), a.Offset)
			}
		}
	}
	if vdsos > 1 || len(kernel) > 0 && vdsos == 0 || extent(kernel) > maxVDSO {
		return fmt.Errorf("%d vDSOs, with data %d bytes", vdsos, extent(kernel))
	}
	if n := len(p.Auxv); n > maxAuxv || n%16 != 0 {
		return fmt.Errorf("auxiliary vector of %d bytes", n)
	}
	return nil
}

func checkStrings(p *image.Process) error {
	if !p.Zombie && !filepath.IsAbs(p.Cwd) || strings.ContainsRune(p.Cwd, 0) {
		return fmt.Errorf("working directory %q", p.Cwd)
	}
	ids := map[int]bool{}
	for i := range p.Threads {
		t := &p.Threads[i]
		if ids[t.TID] {
			return fmt.Errorf("thread %d is there twice", t.TID)
		}
		ids[t.TID] = true
		if len(t.Comm) > maxComm || strings.ContainsRune(t.Comm, 0) {
			return fmt.Errorf("thread %d: name %q", t.TID, t.Comm)
		}
		if len(t.Affinity) > maxCPUWords {
			return fmt.Errorf("thread %d: affinity mask of %d words", t.TID, len(t.Affinity))
		}
	}
	return nil
}

func checkSignals(p *image.Process) error {
	pending := p.Signals.Pending
	for i := range p.Threads {
		pending = append(pending[:len(pending):len(pending)], p.Threads[i].Pending...)
	}
	for _, info := range pending {
		if sig := signo(info); sig < 1 || sig > abi.NSig {
			return fmt.Errorf("pending signal %d", sig)
		}
	}
	return nil
}

// signo is si_signo of a siginfo_t.
func signo(info []byte) int { return int(int32(binary.LittleEndian.Uint32(info))) }

func checkTimers(p *image.Process) error {
	seen := map[int]bool{}
	for _, t := range p.Timers.POSIX {
		if t.ID < 0 || t.ID > math.MaxInt32 || seen[t.ID] {
			return fmt.Errorf("timer %d is there twice or can not be", t.ID)
		}
		seen[t.ID] = true
		if t.Value < 0 || t.Interval < 0 {
			return fmt.Errorf("timer %d: in %d ns, every %d ns", t.ID, t.Value, t.Interval)
		}
	}
	for which, t := range p.Timers.Interval {
		if t.Value < 0 || t.Interval < 0 {
			return fmt.Errorf("interval timer %d: in %d us, every %d us", which, t.Value, t.Interval)
		}
	}
	return nil
}
