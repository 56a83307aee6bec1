package proc

import (
	"path/filepath"
	"strconv"
)

// FS is a mounted proc file system, or a directory that looks like one.
type FS struct {
	Root string // its path, "/proc" on a live system
}

// Host is the proc file system of the machine (of our own pid namespace).
func Host() FS { return FS{Root: "/proc"} }

// Process is a process or one thread of it. It is a name, nothing is opened
// and nothing is checked.
type Process struct {
	PID int // the process, as numbered in the FS
	TID int // the thread; 0 for the process as a whole
	dir directory
}

// Process is the process pid. The number of a thread that is not the leader
// works too, as in /proc itself, where such directories are only unlisted.
func (f FS) Process(pid int) Process {
	return Process{PID: pid, dir: directory(filepath.Join(f.Root, strconv.Itoa(pid)))}
}

// Thread is the thread tid of the process pid. /proc has fewer files for it:
// Timers, TimerSlack, CoredumpFilter and Tasks are answered for the process
// only, except that Process(tid) gives the TimerSlack of that thread.
func (f FS) Thread(pid, tid int) Process {
	dir := filepath.Join(f.Root, strconv.Itoa(pid), "task", strconv.Itoa(tid))
	return Process{PID: pid, TID: tid, dir: directory(dir)}
}

// Dir is the directory of the process or thread, e.g. "/proc/17/task/18".
func (p Process) Dir() string { return string(p.dir) }

// Path is the path of a file of the process or thread that is no text for this
// package, e.g. "/proc/17/task/18/pagemap".
func (p Process) Path(name string) string { return p.dir.path(name) }

// root is the directory of files that belong to no process.
func (f FS) root() directory { return directory(f.Root) }
