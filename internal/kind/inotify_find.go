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
	mounts []proc.Mount
	denied bool // handles can not be opened

	queue   []string // paths to look at next
	known   map[string]bool
	byInode map[uint64][]string // paths that were looked at
	budget  int                 // how many more to look at: about 3 us each
}

const findBudget = 20_000

func newWatchFinder(c *SaveContext) *watchFinder {
	f := &watchFinder{c: c, known: map[string]bool{}, byInode: map[uint64][]string{}, budget: findBudget}
	f.mounts, _ = c.FS.Process(c.PID).MountInfo() // without, nothing is found by handle
	return f
}

// find returns "" if there is no path, or none that can be found.
func (f *watchFinder) find(w proc.InotifyWatch) string {
	if path := f.byHandle(w); path != "" {
		return path
	}
	if len(f.known) == 0 {
		f.addCandidates()
	}
	for {
		for _, path := range f.byInode[w.Ino] {
			if isWatched(path, w) {
				return path
			}
		}
		if len(f.queue) == 0 || f.budget <= 0 {
			return ""
		}
		next := f.queue[0]
		f.queue = f.queue[1:]
		f.look(next)
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

// addCandidates queues the paths that the process is known to deal with. What
// can not be read is left out.
func (f *watchFinder) addCandidates() {
	p := f.c.FS.Process(f.c.PID)
	var paths []string
	cwd, err := p.Cwd()
	if err == nil {
		paths = append(paths, cwd.Path)
	}
	for _, d := range f.c.All {
		path, _ := proc.SplitDeleted(d.Link)
		paths = append(paths, path)
	}
	if exe, err := p.Exe(); err == nil {
		paths = append(paths, exe.Path)
	}
	words, _ := p.Cmdline()
	environ, _ := p.Environ()
	for _, e := range environ {
		_, value, _ := strings.Cut(e, "=")
		words = append(words, strings.Split(value, ":")...)
	}
	for _, w := range words {
		_, value, option := strings.Cut(w, "=")
		if !option {
			value = w
		}
		if !filepath.IsAbs(value) {
			value = filepath.Join(cwd.Path, value)
		}
		paths = append(paths, value)
	}
	for _, path := range paths {
		f.enqueue(path)
	}
	for _, path := range paths {
		if filepath.IsAbs(path) {
			f.enqueue(filepath.Dir(path))
		}
	}
}

func (f *watchFinder) enqueue(path string) {
	if !filepath.IsAbs(path) {
		return
	}
	path = filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(path); err == nil && !f.known[real] {
		f.known[real] = true
		f.queue = append(f.queue, real)
	}
}

// look takes in a path and what is in it.
func (f *watchFinder) look(path string) {
	st, ok := f.note(path)
	if !ok || st.Mode&sys.ModeType != sys.ModeDir {
		return
	}
	dir, err := os.Open(path)
	if err != nil {
		return
	}
	defer dir.Close()
	for f.budget > 0 {
		names, err := dir.Readdirnames(min(256, f.budget))
		for _, name := range names {
			child := filepath.Join(path, name)
			if f.known[child] {
				continue
			}
			f.known[child] = true
			if st, ok := f.note(child); ok && st.Mode&sys.ModeType == sys.ModeDir {
				f.queue = append(f.queue, child)
			}
		}
		if err != nil {
			return // the end, mostly
		}
	}
}

func (f *watchFinder) note(path string) (sys.FileStat, bool) {
	f.budget--
	st, err := sys.LstatPath(path)
	if err != nil {
		return st, false
	}
	f.byInode[st.Ino] = append(f.byInode[st.Ino], path)
	return st, true
}
