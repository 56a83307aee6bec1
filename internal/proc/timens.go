package proc

import (
	"bytes"
	"errors"
	"io/fs"
)

// TimeOffsets are what a time namespace adds to the clocks, in nanoseconds;
// see time_namespaces(7).
type TimeOffsets struct{ Monotonic, Boottime int64 }

// TimeOffsets reads /proc/PID/timens_offsets. Kernels without time namespaces
// (before 5.6) have no offsets.
func (p Process) TimeOffsets() (TimeOffsets, error) {
	var t TimeOffsets
	b, err := p.dir.bytes("timens_offsets", maxSmall)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrGone) {
		return t, nil
	} else if err != nil {
		return t, err
	}
	l := newLines(bytes.NewReader(b), p.dir.path("timens_offsets"), maxSmall)
	for l.next() {
		fields := bytes.Fields(l.text)
		var seconds, ns int64
		if len(fields) != 3 || !signed(&seconds, fields[1]) || !signed(&ns, fields[2]) ||
			ns < 0 || ns >= 1e9 || seconds > 1<<33 || seconds < -1<<33 {
			return t, l.bad("clock offset")
		}
		switch string(fields[0]) {
		case "monotonic":
			t.Monotonic = seconds*1e9 + ns
		case "boottime":
			t.Boottime = seconds*1e9 + ns
		default:
			return t, l.bad("clock")
		}
	}
	return t, l.s.Err()
}
