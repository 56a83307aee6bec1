package cli

import (
	"fmt"
	"strings"

	"ckpt/internal/image"
)

// showFile is an open file of a saved process.
type showFile struct {
	ID    int    `json:"id"`
	FDs   []int  `json:"fds"` // empty: only mapped
	Kind  string `json:"kind"`
	Path  string `json:"path"`
	Flags int    `json:"flags"` // as open(2) has them
	Pos   int64  `json:"pos"`
	Locks int    `json:"locks"`
}

// describeFiles describes the files of a process of several, or all there are.
func describeFiles(m *image.Manifest, p *image.Process) []showFile {
	out := make([]showFile, 0, len(m.Files))
	for _, f := range m.Files {
		if len(m.Processes) > 1 && !p.HasFile(f.ID) {
			continue
		}
		d := showFile{ID: f.ID, FDs: []int{}, Kind: f.Kind, Path: f.Path, Flags: f.Flags, Pos: f.Pos, Locks: len(f.Locks)}
		for _, fd := range p.Descriptors {
			if fd.File == f.ID {
				d.FDs = append(d.FDs, fd.FD)
			}
		}
		out = append(out, d)
	}
	return out
}

// fileTable lists the files that have descriptors.
func fileTable(files []showFile) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %-10s %-6s %12s  %s\n", "fd", "kind", "mode", "position", "path")
	for _, f := range files {
		if len(f.FDs) == 0 {
			continue
		}
		name := clean(f.Path)
		if f.Locks > 0 {
			name += fmt.Sprintf(" (%s)", plural(f.Locks, "lock"))
		}
		fmt.Fprintf(&b, "%-10s %-10s %-6s %12d  %s\n", numbers(f.FDs), clean(f.Kind), openMode(f.Flags), f.Pos, name)
	}
	return b.String()
}

// numbers lists descriptors: "0,1,2".
func numbers(fds []int) string {
	const most = 3
	var words []string
	for i, fd := range fds {
		if i == most && len(fds) > most+1 {
			words = append(words, fmt.Sprintf("+%d", len(fds)-most))
			break
		}
		words = append(words, fmt.Sprint(fd))
	}
	return strings.Join(words, ",")
}

// Bits of open(2), from asm-generic/fcntl.h; they are the image's own, not this
// host's.
const (
	accessMode = 0o3
	appending  = 0o2000
	nonblock   = 0o4000
	pathOnly   = 0o10000000
)

// openMode is how a file is open: "r", "w", "rw", with "a" for append and "n"
// for nonblocking.
func openMode(flags int) string {
	if flags&pathOnly != 0 {
		return "path"
	}
	mode := [...]string{"r", "w", "rw", "-"}[flags&accessMode]
	if flags&appending != 0 {
		mode += "a"
	}
	if flags&nonblock != 0 {
		mode += "n"
	}
	return mode
}
