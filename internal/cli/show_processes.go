package cli

import (
	"fmt"
	"strings"

	"ckpt/internal/image"
)

// showParts are the parts of the listing that were asked for.
type showParts struct {
	tree, threads, fds bool
}

// showPartsJSON is what show --json prints with any of them.
type showPartsJSON struct {
	Schema    string        `json:"schema"`
	Image     string        `json:"image"`
	ID        string        `json:"id"`
	Processes []showProcess `json:"processes"`
}

// showProcess is a process of the tree; parents come before their children.
type showProcess struct {
	PID         int      `json:"pid"`
	PPID        int      `json:"ppid"`
	PGID        int      `json:"pgid"`
	SID         int      `json:"sid"`
	State       string   `json:"state"`                 // "running", "stopped" or "zombie"
	ExitStatus  int      `json:"exit_status,omitempty"` // of a zombie, as wait(2) gives it
	Exe         string   `json:"exe"`
	Args        []string `json:"args"`
	Comm        string   `json:"comm"`
	ThreadCount int      `json:"thread_count"` // of those that live
	FDCount     int      `json:"fd_count"`
	Saved       uint64   `json:"saved"`  // bytes of its memory that the image has, or those that it goes on from
	Shared      uint64   `json:"shared"` // of those, what is in the image for another process, too, or as shared memory

	Threads []showThread `json:"threads,omitempty"`
	FDs     []showFD     `json:"fds,omitempty"`
}

func describeProcesses(im *image.Image) []showProcess {
	m := im.Manifest()
	users := fileUsers(m)
	out := make([]showProcess, 0, len(m.Processes))
	for i := range m.Processes {
		p := &m.Processes[i]
		d := showProcess{
			PID: p.PID, PPID: p.PPID, PGID: p.PGID, SID: p.SID, State: "running", ExitStatus: p.ExitStatus,
			Exe: p.Exe, Args: notNil(p.Args), Comm: p.Threads[0].Comm, FDCount: len(p.Descriptors),
			Threads: describeThreads(p), FDs: describeFDs(m, p, users),
		}
		switch {
		case p.Zombie:
			d.State = "zombie"
		case p.Stopped:
			d.State = "stopped"
		}
		for _, t := range d.Threads {
			if !t.Dead {
				d.ThreadCount++
			}
		}
		d.Saved, d.Shared = savedMemory(im.Space(i))
		out = append(out, d)
	}
	return out
}

// savedMemory counts the bytes that are saved of a process, and those of them
// that stand in the image for others, too.
func savedMemory(space image.SpaceReader) (saved, shared uint64) {
	var pieces []image.Piece
	for _, s := range space.Segments() {
		pieces = space.AppendPieces(pieces[:0], uint64(s.Start), uint64(s.End))
		for _, p := range pieces {
			saved += p.Len
			if s.Shared {
				shared += p.Len
			}
		}
	}
	return saved, shared
}

// selectParts leaves out what was not asked for.
func selectParts(all []showProcess, parts showParts) []showProcess {
	for i := range all {
		if !parts.threads {
			all[i].Threads = nil
		}
		if !parts.fds {
			all[i].FDs = nil
		}
	}
	return all
}

// partsText is what show prints for people, on so many columns; 0 is no
// terminal.
func partsText(all []showProcess, s image.Stats, parts showParts, columns int) string {
	var sections []string
	if parts.tree {
		sections = append(sections, treeText(all, s, columns))
	}
	if parts.threads {
		for i := range all {
			sections = append(sections, heading(&all[i], plural(all[i].ThreadCount, "thread"))+threadTable(all[i].Threads))
		}
	}
	if parts.fds {
		for i := range all {
			sections = append(sections, heading(&all[i], plural(all[i].FDCount, "descriptor"))+fdTable(all[i].FDs))
		}
	}
	return strings.Join(sections, "\n")
}

func heading(p *showProcess, what string) string {
	return fmt.Sprintf("process %d, %s: %s\n", p.PID, p.command(), what)
}

// command is the command line, or, as ps has it, the name of what has none.
func (p *showProcess) command() string {
	if len(p.Args) > 0 {
		return quoted(p.Args)
	}
	return "[" + clean(p.Comm) + "]"
}
