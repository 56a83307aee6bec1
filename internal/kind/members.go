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

// NewGroup is NewPID for a process group.
func (r *RestoreContext) NewGroup(pgid int) (int, bool) {
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

// holding is a process of the image with the numbers that it has of an open file.
type holding struct {
	process *image.Process
	fds     []int
}

// has are the processes that have f open, those that use the descriptors of an
// earlier one (CLONE_FILES) among them.
func (r *RestoreContext) has(f *image.OpenFile) []holding {
	if r.holders == nil {
		r.holders = map[int][]holding{}
		for i := range r.Manifest.Processes {
			p := &r.Manifest.Processes[i]
			for _, d := range r.owner(p).Descriptors {
				list := r.holders[d.File]
				if n := len(list); n == 0 || list[n-1].process != p {
					list = append(list, holding{process: p})
				}
				last := &list[len(list)-1]
				last.fds = append(last.fds, d.FD)
				r.holders[d.File] = list
			}
		}
	}
	return r.holders[f.ID]
}

// owner is the process that lists the descriptors that p uses.
func (r *RestoreContext) owner(p *image.Process) *image.Process {
	if p.Shares.Descriptors != 0 {
		if o := r.member(p.Shares.Descriptors); o != nil && o.Shares.Descriptors == 0 {
			return o
		}
	}
	return p
}

// Home is the first process that has a descriptor of f; it does for f what only
// a process can do. The root, if nobody has one.
func (r *RestoreContext) Home(f *image.OpenFile) *image.Process {
	if has := r.has(f); len(has) > 0 {
		return has[0].process
	}
	return r.Process
}

// Shared reports whether several processes have descriptors of f.
func (r *RestoreContext) Shared(f *image.OpenFile) bool { return len(r.has(f)) > 1 }

// finally adds what the home of f has to do to its plan.
func (r *RestoreContext) finally(f *image.OpenFile, add Final) { r.Final(r.Home(f), f, add) }

// NumbersIn are the descriptor numbers of the open file in a process.
func (r *RestoreContext) NumbersIn(p *image.Process, f *image.OpenFile) []int {
	for _, h := range r.has(f) {
		if h.process == p {
			return h.fds
		}
	}
	return nil
}

// Numbers are the descriptor numbers of the open file, each once, in whatever
// process; none if only mappings refer to it.
func (r *RestoreContext) Numbers(f *image.OpenFile) []int {
	var fds []int
	for _, h := range r.has(f) {
		fds = append(fds, h.fds...)
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
