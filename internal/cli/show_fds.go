package cli

import (
	"fmt"
	"strings"

	"ckpt/internal/image"
)

// showFD is a file descriptor of a saved process.
type showFD struct {
	FD          int    `json:"fd"`
	CloseOnExec bool   `json:"cloexec"`
	File        int    `json:"file"` // the same for all descriptors that share an open file
	Kind        string `json:"kind"`
	Path        string `json:"path"`
	Flags       int    `json:"flags"` // as open(2) has them
	Pos         int64  `json:"pos"`
	Users       int    `json:"users"` // processes that have the same open file
	others      []int  // some of those that are not this one
}

// mostOthers is how many are named: all would be too many to print where
// thousands of processes share their standard output.
const mostOthers = 3

// fileUsers are the processes that have descriptors of each file.
func fileUsers(m *image.Manifest) [][]int {
	users := make([][]int, len(m.Files))
	for i := range m.Processes {
		p := &m.Processes[i]
		for _, d := range p.Descriptors {
			if u := users[d.File]; len(u) == 0 || u[len(u)-1] != p.PID {
				users[d.File] = append(u, p.PID)
			}
		}
	}
	return users
}

func describeFDs(m *image.Manifest, p *image.Process, users [][]int) []showFD {
	out := make([]showFD, 0, len(p.Descriptors))
	for _, d := range p.Descriptors {
		f := &m.Files[d.File]
		fd := showFD{FD: d.FD, CloseOnExec: d.CloseOnExec, File: d.File, Kind: f.Kind, Path: f.Path, Flags: f.Flags, Pos: f.Pos}
		fd.Users = len(users[d.File])
		for _, pid := range users[d.File] {
			if pid != p.PID && len(fd.others) < mostOthers {
				fd.others = append(fd.others, pid)
			}
		}
		out = append(out, fd)
	}
	return out
}

func fdTable(fds []showFD) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%7s  %-10s %-6s %12s  %s\n", "fd", "kind", "mode", "position", "path")
	for _, d := range fds {
		text := clean(d.Path)
		if d.CloseOnExec {
			text += " (close on exec)"
		}
		if len(d.others) > 0 {
			text += " (shared with " + numbers(d.others)
			if more := d.Users - 1 - len(d.others); more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
			text += ")"
		}
		fmt.Fprintf(&b, "%7d  %-10s %-6s %12d  %s\n", d.FD, clean(d.Kind), openMode(d.Flags), d.Pos, text)
	}
	return b.String()
}
