package proc

import "bytes"

// Unlimited is RLIM_INFINITY.
const Unlimited = ^uint64(0)

// Limit is one resource limit, getrlimit(2).
type Limit struct {
	Cur, Max uint64
}

// limitNames are the names in /proc/PID/limits in the order of RLIMIT_*
// (lnames in fs/proc/base.c).
var limitNames = [16]string{
	"Max cpu time", "Max file size", "Max data size", "Max stack size",
	"Max core file size", "Max resident set", "Max processes", "Max open files",
	"Max locked memory", "Max address space", "Max file locks", "Max pending signals",
	"Max msgqueue size", "Max nice priority", "Max realtime priority", "Max realtime timeout",
}

// Limits reads /proc/PID/limits, indexed by RLIMIT_*. Other than prlimit(2) it
// needs no capability for a process of somebody else.
func (p Process) Limits() ([16]Limit, error) {
	return parseFile(p.dir, "limits", maxSmall, parseLimits)
}

// nameWidth is the width of the first column: "%-25s %-20s %-20s %-10s".
const nameWidth = 25

func parseLimits(l *lines) (limits [16]Limit, err error) {
	if !l.next() || !bytes.HasPrefix(l.text, []byte("Limit ")) {
		return limits, l.bad("heading")
	}
	var seen uint32
	for l.next() {
		if len(l.text) < nameWidth {
			return limits, l.bad("limit")
		}
		i := limitIndex(bytes.TrimRight(l.text[:nameWidth], " "))
		f := bytes.Fields(l.text[nameWidth:])
		if i < 0 || seen&(1<<i) != 0 || len(f) < 2 ||
			!limitValue(&limits[i].Cur, f[0]) || !limitValue(&limits[i].Max, f[1]) {
			return limits, l.bad("limit")
		}
		seen |= 1 << i
	}
	if seen != 1<<len(limits)-1 {
		return limits, l.errorf("not all %d limits", len(limits))
	}
	return limits, nil
}

func limitIndex(name []byte) int {
	for i, s := range limitNames {
		if s == string(name) {
			return i
		}
	}
	return -1
}

func limitValue(dst *uint64, b []byte) bool {
	if string(b) == "unlimited" {
		*dst = Unlimited
		return true
	}
	return unsigned(dst, b, 10)
}
