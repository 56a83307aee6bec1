package proc

import "bytes"

// Cgroup is one hierarchy of control groups and the process's place in it, a
// line of /proc/PID/cgroup (cgroups(7)).
type Cgroup struct {
	Controllers []string // of version 1, e.g. "memory" or "name=systemd"; none: version 2
	Path        string   // from the root of the hierarchy, or of the cgroup namespace
}

// Cgroups reads /proc/PID/cgroup.
func (p Process) Cgroups() ([]Cgroup, error) {
	return parseFile(p.dir, "cgroup", maxList, parseCgroups)
}

// parseCgroups reads lines like "4:cpu,cpuacct:/user/1000" and "0::/init".
func parseCgroups(l *lines) ([]Cgroup, error) {
	var list []Cgroup
	for l.next() {
		_, rest, ok := cut(l.text, ':')
		names, path, ok2 := cut(rest, ':')
		if !ok || !ok2 || len(path) == 0 || path[0] != '/' {
			return nil, l.bad("control group")
		}
		c := Cgroup{Path: string(path)}
		for name := range bytes.SplitSeq(names, []byte(",")) {
			if len(name) > 0 {
				c.Controllers = append(c.Controllers, string(name))
			}
		}
		list = append(list, c)
	}
	return list, nil
}

// MemAvailable is how much memory the machine can give to programs without
// swapping, in bytes: a line of /proc/meminfo.
func (f FS) MemAvailable() (uint64, error) {
	return parseFile(f.root(), "meminfo", maxList, func(l *lines) (n uint64, err error) {
		for l.next() {
			key, value, ok := cut(l.text, ':')
			if !ok {
				return 0, l.bad("key")
			}
			if string(key) == "MemAvailable" {
				if !kilobytes(&n, value) {
					return 0, l.bad("value")
				}
				return n, nil
			}
		}
		return 0, l.errorf("no MemAvailable")
	})
}
