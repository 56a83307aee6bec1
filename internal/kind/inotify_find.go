package kind

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// watchFinder finds the path of a file of which only inode, device and handle
// are known. With CAP_DAC_READ_SEARCH the kernel opens the handle and tells the
// path. Without, paths that the process is likely to watch are compared: its
// working directory, what it has open, what its arguments and environment name,
// and what is in the directories among those and below.
type watchFinder struct {
	c      *SaveContext
	pid    int // the process that watches
	mounts []proc.Mount
	denied bool // handles can not be opened

	known   map[string]bool
	byInode map[uint64][]string // paths that were looked at
	queues  []searchQueue
	budget  int
}

// searchQueue are directories to look into: a likely one and what is below.
type searchQueue struct {
	dirs   []string
	budget int // how many more files to look at
}

// How many files are looked at, about 3 us each: in all, and below one
// candidate, so that a large one does not use up the time of the others.
const (
	findBudget = 20_000
	treeBudget = 4_000
)

func newWatchFinder(c *SaveContext, pid int) *watchFinder {
	f := &watchFinder{c: c, pid: pid, known: map[string]bool{}, byInode: map[uint64][]string{}, budget: findBudget}
	f.mounts, _ = c.FS.Process(pid).MountInfo() // without, nothing is found by handle
	return f
}

// find returns "" if there is no path, or none that can be found.
func (f *watchFinder) find(w proc.InotifyWatch) string {
	if path := f.byHandle(w); path != "" {
		return path
	}
	if f.queues == nil {
		f.addCandidates()
	}
	for {
		for _, path := range f.byInode[w.Ino] {
			if isWatched(path, w) {
				return path
			}
		}
		if !f.lookFurther() {
			return ""
		}
	}
}

// byHandle opens the handle on a mount of its file system.
func (f *watchFinder) byHandle(w proc.InotifyWatch) string {
	if w.Handle == nil || f.denied {
		return ""
	}
	for _, m := range f.mounts {
		if m.Major != w.Dev>>20 || m.Minor != w.Dev&(1<<20-1) {
			continue
		}
		mount, err := sys.OpenFile(m.MountPoint, sys.ORdonly|sys.ONonblock, 0)
		if err != nil {
			continue
		}
		file, err := sys.OpenHandle(int(mount.Fd()), sys.FileHandle{Type: int32(w.HandleType), Bytes: w.Handle})
		_ = mount.Close() // only looked at
		if os.IsPermission(err) {
			f.denied = true
			return ""
		}
		if err != nil {
			continue
		}
		path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(file.Fd())))
		_ = file.Close()
		// A mount may show only a part of the file system, and a file that is
		// not cached has no name.
		if err == nil && isWatched(path, w) {
			return path
		}
	}
	return ""
}

// isWatched reports whether path is the file of the watch.
func isWatched(path string, w proc.InotifyWatch) bool {
	if w.Handle != nil {
		h, err := sys.HandleOf(path)
		if err == nil && (h.Type != int32(w.HandleType) || !bytes.Equal(h.Bytes, w.Handle)) {
			return false
		}
	}
	st, err := sys.LstatPath(path)
	return err == nil && st.Ino == w.Ino && st.DevMajor == w.Dev>>20 && st.DevMinor == w.Dev&(1<<20-1)
}

// addCandidates queues the paths that the process is known to deal with, the
// likely ones first. What can not be read is left out.
func (f *watchFinder) addCandidates() {
	p := f.c.FS.Process(f.pid)
	cwd, _ := p.Cwd()
	var paths []string
	for _, d := range f.c.All {
		path, _ := proc.SplitDeleted(d.Link)
		paths = append(paths, path)
	}
	args, _ := p.Cmdline()
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok { // --watch=DIR
			arg = value
		}
		if !filepath.IsAbs(arg) {
			arg = filepath.Join(cwd.Path, arg)
		}
		paths = append(paths, arg)
	}
	paths = append(paths, cwd.Path)
	for _, path := range paths {
		paths = append(paths, filepath.Dir(path))
	}
	if exe, err := p.Exe(); err == nil {
		paths = append(paths, exe.Path)
	}
	environ, _ := p.Environ()
	for _, e := range environ {
		_, value, _ := strings.Cut(e, "=")
		paths = append(paths, strings.Split(value, ":")...)
	}
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			q := searchQueue{budget: treeBudget}
			f.note(&q, real)
			f.queues = append(f.queues, q)
		}
	}
}

// lookFurther looks into the next directory; false if there is none.
func (f *watchFinder) lookFurther() bool {
	for i := range f.queues {
		q := &f.queues[i]
		if len(q.dirs) == 0 || q.budget <= 0 || f.budget <= 0 {
			continue
		}
		next := q.dirs[0]
		q.dirs = q.dirs[1:]
		f.look(q, next)
		return true
	}
	return false
}

// look takes in what is in a directory.
func (f *watchFinder) look(q *searchQueue, path string) {
	dir, err := os.Open(path)
	if err != nil {
		return
	}
	defer dir.Close()
	for q.budget > 0 && f.budget > 0 {
		names, err := dir.Readdirnames(min(256, q.budget, f.budget))
		for _, name := range names {
			f.note(q, filepath.Join(path, name))
		}
		if err != nil {
			return // the end, mostly
		}
	}
}

// note takes in a path and queues it if it is a directory.
func (f *watchFinder) note(q *searchQueue, path string) {
	if f.known[path] {
		return
	}
	q.budget--
	f.budget--
	f.known[path] = true
	st, err := sys.LstatPath(path)
	if err != nil {
		return
	}
	f.byInode[st.Ino] = append(f.byInode[st.Ino], path)
	if st.Mode&sys.ModeType == sys.ModeDir {
		q.dirs = append(q.dirs, path)
	}
}
