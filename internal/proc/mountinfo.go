package proc

import (
	"bytes"
	"strings"
)

// Mount is one mount, proc_pid_mountinfo(5).
type Mount struct {
	ID, Parent   int
	Major, Minor uint32
	Root         string // what of the file system is mounted; ends in "//deleted" if that is gone
	MountPoint   string // seen from the process's root
	Options      []string
	Optional     []string // "shared:1", "master:2", ...
	FSType       string
	Source       string
	SuperOptions []string
}

// MountInfo reads the mounts of the process's mount namespace. A
// zombie has none: EINVAL.
func (p Process) MountInfo() ([]Mount, error) {
	return parseFile(p.dir, "mountinfo", maxList, parseMountInfo)
}

func parseMountInfo(l *lines) ([]Mount, error) {
	var list []Mount
	for l.next() {
		m, ok := parseMount(l.text)
		if !ok {
			return nil, l.bad("mount")
		}
		list = append(list, m)
	}
	return list, nil
}

// parseMount reads
//
//	36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//
// Fields have one blank between them: a source may be empty.
func parseMount(b []byte) (m Mount, ok bool) {
	head, tail, ok := bytes.Cut(b, []byte(" - "))
	f := bytes.Split(head, []byte(" "))
	end := bytes.SplitN(tail, []byte(" "), 3)
	if !ok || len(f) < 6 || len(end) != 3 {
		return m, false
	}
	major, minor, _ := cut(f[2], ':')
	if !count(&m.ID, f[0]) || !count(&m.Parent, f[1]) ||
		!unsigned(&m.Major, major, 10) || !unsigned(&m.Minor, minor, 10) {
		return m, false
	}
	texts := map[*string][]byte{&m.Root: f[3], &m.MountPoint: f[4], &m.FSType: end[0], &m.Source: end[1]}
	for dst, src := range texts {
		if *dst, ok = octal(src); !ok {
			return m, false
		}
	}
	m.Options = strings.Split(string(f[5]), ",")
	for _, o := range f[6:] {
		m.Optional = append(m.Optional, string(o))
	}
	m.SuperOptions = strings.Split(string(end[2]), ",")
	return m, true
}
