package kind

import (
	"os"
	"path/filepath"
	"strings"

	"ckpt/internal/sys"
)

// unixFile is the file of a socket that is bound to a path.
type unixFile struct {
	Path string `json:"path"` // where it was, absolute
	Ino  uint64 `json:"ino"`
	Mode uint32 `json:"mode"`
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
}

// unixPath is a name as a path: "" if it is none.
func unixPath(name []byte) string {
	if len(name) == 0 || name[0] == 0 {
		return ""
	}
	path, _, _ := strings.Cut(string(name), "\x00")
	return path
}

// findUnixFile finds the file of a bound socket: at its name, or at another one
// in that directory, since binding to a temporary name and renaming is common.
// nil if it is at neither: then it comes back without one.
func findUnixFile(c *SaveContext, d *Desc, s *sys.UnixSocket) *unixFile {
	path := unixPath(s.Name)
	if path == "" {
		return nil
	}
	if !filepath.IsAbs(path) {
		cwd, err := c.FS.Process(d.PID).Cwd()
		if err != nil || cwd.Deleted {
			return nil
		}
		path = filepath.Join(cwd.Path, path)
	}
	if f := unixFileAt(path, s.File); f != nil {
		return f
	}
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.Type()&os.ModeSocket == 0 {
			continue
		}
		if f := unixFileAt(filepath.Join(dir, e.Name()), s.File); f != nil {
			return f
		}
	}
	return nil
}

// unixFileAt describes the file at path if it is the one that the kernel names.
func unixFileAt(path string, is *sys.UnixFile) *unixFile {
	st, err := sys.LstatPath(path)
	if err != nil || uint32(st.Ino) != is.Ino || st.DevMajor<<20|st.DevMinor != is.Dev {
		return nil
	}
	return &unixFile{Path: path, Ino: st.Ino, Mode: st.Mode & sys.ModePerm, UID: st.UID, GID: st.GID}
}
