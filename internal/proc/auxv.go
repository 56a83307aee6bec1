package proc

import (
	"encoding/binary"
	"fmt"
)

// Auxv is the auxiliary vector that a program got at its start, getauxval(3).
type Auxv struct {
	Raw    []byte            // as the kernel gives it, with AT_NULL at the end
	Values map[uint64]uint64 // by AT_*, without AT_NULL
}

// Auxv reads /proc/PID/auxv of a 64-bit process. A kernel thread and a zombie
// have none: ErrNoMemory. Needs permission to ptrace.
func (p Process) Auxv() (*Auxv, error) {
	b, err := p.dir.bytes("auxv", maxSmall)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 { // what kernels of some years ago give for ESRCH
		return nil, fmt.Errorf("%s: %w", p.dir.path("auxv"), ErrNoMemory)
	}
	a, reason := parseAuxv(b)
	if reason != "" {
		return nil, &ParseError{File: p.dir.path("auxv"), Line: 1, Reason: reason}
	}
	return a, nil
}

func parseAuxv(b []byte) (a *Auxv, reason string) {
	const pair = 16
	a = &Auxv{Raw: b, Values: make(map[uint64]uint64)}
	for len(b) > 0 {
		if len(b) < pair {
			return nil, "half an entry"
		}
		key, value := binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])
		b = b[pair:]
		if key == 0 {
			if len(b) > 0 {
				return nil, "bytes behind AT_NULL"
			}
			return a, ""
		}
		a.Values[key] = value
	}
	return nil, "no AT_NULL"
}
