package kind

import (
	"os"
	"slices"
	"syscall"

	"ckpt/internal/image"
)

// NewPID is the number that process or thread pid of the image has when it
// runs again; false if it is not part of the image.
func (r *RestoreContext) NewPID(pid int) (int, bool) {
	if r.PIDs != nil {
		is, ok := r.PIDs[pid]
		return is, ok
	}
	if pid == r.Process.PID {
		return os.Getpid(), true
	}
	return 0, false
}

// newGroup is NewPID for a process group.
func (r *RestoreContext) newGroup(pgid int) (int, bool) {
	if r.Groups != nil {
		is, ok := r.Groups[pgid]
		return is, ok
	}
	if pgid == r.Process.PGID {
		// The restored process stays in the group it was started in.
		return syscall.Getpgrp(), true
	}
	return 0, false
}

// member is the process that had a number, nil if it is not in the image.
func (r *RestoreContext) member(pid int) *image.Process {
	for i := range r.Manifest.Processes {
		if r.Manifest.Processes[i].PID == pid {
			return &r.Manifest.Processes[i]
		}
	}
	return nil
}

// home is the first process that has a descriptor of f; it does for f what only
// a process can do. The root, if nobody has one.
func (r *RestoreContext) home(f *image.OpenFile) *image.Process {
	for i := range r.Manifest.Processes {
		if p := &r.Manifest.Processes[i]; len(NumbersIn(p, f)) > 0 {
			return p
		}
	}
	return r.Process
}

// finally adds what home has to do to its plan.
func (r *RestoreContext) finally(f *image.OpenFile, add Final) { r.Final(r.home(f), f, add) }

// NumbersIn are the descriptor numbers of the open file in a process.
func NumbersIn(p *image.Process, f *image.OpenFile) []int {
	var fds []int
	for _, d := range p.Descriptors {
		if d.File == f.ID {
			fds = append(fds, d.FD)
		}
	}
	return fds
}

// Numbers are the descriptor numbers of the open file, each once, in whatever
// process; none if only mappings refer to it.
func (r *RestoreContext) Numbers(f *image.OpenFile) []int {
	var fds []int
	for i := range r.Manifest.Processes {
		fds = append(fds, NumbersIn(&r.Manifest.Processes[i], f)...)
	}
	slices.Sort(fds)
	return slices.Compact(fds)
}

// onlyMapped reports whether f is open for mappings only.
func (r *RestoreContext) onlyMapped(f *image.OpenFile) bool {
	return !f.InFlight && len(r.Numbers(f)) == 0
}

// closeOnExec reports whether a descriptor number of p is close-on-exec.
func closeOnExec(p *image.Process, fd int) bool {
	for _, d := range p.Descriptors {
		if d.FD == fd {
			return d.CloseOnExec
		}
	}
	return false
}

// fileAt is the open file at a descriptor number of p, nil if that is closed.
func (r *RestoreContext) fileAt(p *image.Process, n int) *image.OpenFile {
	for _, d := range p.Descriptors {
		if d.FD == n && d.File >= 0 && d.File < len(r.Manifest.Files) {
			return &r.Manifest.Files[d.File]
		}
	}
	return nil
}
