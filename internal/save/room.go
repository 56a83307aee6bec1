package save

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path"
	"slices"
	"strconv"

	"ckpt/internal/proc"
)

// cgroupRoot is where systems mount the control groups.
const cgroupRoot = "/sys/fs/cgroup"

// roomMatters is the size in bytes from where on a copy of a process is looked at
// as something that there may be no memory for.
const roomMatters = 8 << 20

// roomForTwin gives an error if the process might run out of memory while it
// has a twin: each page that it writes to is copied then, at worst all of them.
func roomForTwin(pfs proc.FS, p proc.Process, cgroups string, need uint64) error {
	if need < roomMatters {
		return nil
	}
	if left, err := pfs.MemAvailable(); err == nil && left < need {
		return fmt.Errorf("the machine has %d MB of memory left, and a copy might need %d", left>>20, need>>20)
	}
	groups, err := p.Cgroups()
	if err != nil {
		return nil // no control groups, no limits
	}
	for _, g := range groups {
		var left uint64
		switch {
		case len(g.Controllers) == 0:
			left = memoryLeft(cgroups, g.Path, "memory.max", "memory.current", "active_file", "inactive_file")
		case slices.Contains(g.Controllers, "memory"):
			left = memoryLeft(path.Join(cgroups, "memory"), g.Path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file", "total_inactive_file")
		default:
			continue
		}
		if left < need {
			return fmt.Errorf("its control group has %d MB of memory left, and a copy might need %d", left>>20, need>>20)
		}
	}
	return nil
}

// memoryLeft is how many bytes a control group and those above it allow on top
// of what is used now. What the page cache holds can be had.
func memoryLeft(root, group, limit, usage string, cache ...string) uint64 {
	left := uint64(math.MaxUint64)
	for ; ; group = path.Dir(group) {
		dir := path.Join(root, group)
		most, ok := readNumber(path.Join(dir, limit))
		used, ok2 := readNumber(path.Join(dir, usage))
		if ok && ok2 {
			for _, c := range cache {
				used -= min(used, statNumber(path.Join(dir, "memory.stat"), c))
			}
			left = min(left, most-min(most, used))
		}
		if group == "/" || group == "." {
			return left
		}
	}
}

// readNumber reads a file with one number. A limit can be "max" instead, which
// is none.
func readNumber(file string) (uint64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
	return n, err == nil
}

// statNumber reads a line like "inactive_file 4096", 0 if there is none.
func statNumber(file, key string) uint64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if value, ok := bytes.CutPrefix(line, []byte(key+" ")); ok {
			n, _ := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
			return n
		}
	}
	return 0
}
