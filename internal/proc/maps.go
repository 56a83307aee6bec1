package proc

import (
	"bytes"
	"errors"
	"slices"
)

// VMA is one mapping of a process: a line of /proc/PID/maps and, from Smaps,
// the lines below it. Sizes are bytes.
type VMA struct {
	Start, End uint64 // End is the first address behind it
	Offset     uint64 // in the file

	Read, Write, Exec, Shared bool

	DevMajor, DevMinor uint32 // of the file; 0:0 for none
	Inode              uint64 // of the file; 0 for none

	// Path is the last column: a path, "[heap]", "[anon:name]", "/memfd:x",
	// "" and so on, without the " (deleted)" that Deleted stands for. What
	// looks like a path may be none: only Inode != 0 makes it a file.
	Path    string
	Deleted bool // see SplitDeleted

	// These are filled by Smaps only.
	VmFlags       []string // shared between VMAs: do not change
	Rss           uint64
	PrivateDirty  uint64
	AnonHugePages uint64
	Swap          uint64
	Locked        uint64
	ProtectionKey uint32 // 0 also where the processor has none
}

// Same reports whether Maps tells the same of both.
func (v *VMA) Same(o *VMA) bool {
	return v.Start == o.Start && v.End == o.End && v.Offset == o.Offset &&
		v.Read == o.Read && v.Write == o.Write && v.Exec == o.Exec && v.Shared == o.Shared &&
		v.DevMajor == o.DevMajor && v.DevMinor == o.DevMinor && v.Inode == o.Inode && v.Path == o.Path && v.Deleted == o.Deleted
}

// Size is the mapping's length in bytes.
func (v *VMA) Size() uint64 { return v.End - v.Start }

// HasFlag reports whether Smaps found the VmFlag, e.g. "gd" (grows down).
func (v *VMA) HasFlag(flag string) bool {
	for _, f := range v.VmFlags {
		if f == flag {
			return true
		}
	}
	return false
}

// errOverlap is what a running process can cause: between two reads a mapping
// can be merged with one that was already told.
var errOverlap = errors.New("mappings overlap")

// mapAttempts is how often a running process may change under our eyes.
const mapAttempts = 5

// Maps reads /proc/PID/maps, about 1 us a mapping, whatever their size. A
// kernel thread and a zombie have none. Needs permission to ptrace.
func (p Process) Maps() ([]VMA, error) { return p.mappings("maps", maxList, parseMaps) }

func (p Process) mappings(name string, limit int64, parse func(*lines) ([]VMA, error)) (list []VMA, err error) {
	for range mapAttempts {
		list, err = parseFile(p.dir, name, limit, parse)
		if !errors.Is(err, errOverlap) {
			return list, err
		}
	}
	return nil, err
}

func parseMaps(l *lines) ([]VMA, error) {
	var list []VMA
	m := mapParser{lines: l, paths: make(map[string]string)}
	for l.next() {
		v, err := m.vma()
		if err != nil {
			return nil, err
		}
		list = appendVMA(list, v)
	}
	return list, nil
}

// appendVMA doubles the room where append would take a quarter more and copy
// megabytes again and again.
func appendVMA(list []VMA, v VMA) []VMA {
	if len(list) == cap(list) {
		list = slices.Grow(list, max(64, len(list)))
	}
	return append(list, v)
}

// mapParser reads lines of maps.
type mapParser struct {
	*lines
	end   uint64            // of the mapping before
	paths map[string]string // as in the file, to names: few names have many mappings
}

// vma reads a line like
//
//	7f1c0a000000-7f1c0a021000 rw-p 00002000 fe:00 247278      /usr/bin/head
//
// (show_map_vma in fs/proc/task_mmu.c).
func (m *mapParser) vma() (VMA, error) {
	var v VMA
	var field [5][]byte
	rest, ok := m.text, true
	for i := range field {
		if field[i], rest, ok = cut(rest, ' '); !ok {
			return v, m.bad("mapping")
		}
	}
	start, end, _ := cut(field[0], '-')
	if !unsigned(&v.Start, start, 16) || !unsigned(&v.End, end, 16) || v.Start >= v.End {
		return v, m.bad("address range")
	}
	if v.Start < m.end {
		return v, errors.Join(errOverlap, m.bad("order"))
	}
	m.end = v.End
	if !v.setMode(field[1]) {
		return v, m.bad("permissions")
	}
	major, minor, _ := cut(field[3], ':')
	if !unsigned(&v.Offset, field[2], 16) || !unsigned(&v.DevMajor, major, 16) ||
		!unsigned(&v.DevMinor, minor, 16) || !unsigned(&v.Inode, field[4], 10) {
		return v, m.bad("offset, device or inode")
	}
	v.Path, v.Deleted = SplitDeleted(m.path(bytes.TrimLeft(rest, " ")))
	return v, nil
}

func (m *mapParser) path(b []byte) string {
	s, ok := m.paths[string(b)]
	if !ok {
		s = newline(b)
		m.paths[string(b)] = s
	}
	return s
}

// setMode reads permissions like "rw-p".
func (v *VMA) setMode(b []byte) bool {
	if len(b) != 4 {
		return false
	}
	v.Read, v.Write, v.Exec, v.Shared = b[0] == 'r', b[1] == 'w', b[2] == 'x', b[3] == 's'
	return (v.Read || b[0] == '-') && (v.Write || b[1] == '-') &&
		(v.Exec || b[2] == '-') && (v.Shared || b[3] == 'p')
}
