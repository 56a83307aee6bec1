package kind

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// unixNames gives sockets their names. A path must be free for that: bind(2)
// makes the file and keeps the path as it was given, so it can not be done
// elsewhere. A file that nobody listens at any more, mostly that of the saved
// program itself, is put aside and removed when all else is done; if the
// restore fails it is put back, and the new files are removed.
type unixNames struct {
	r       *RestoreContext
	files   []unixName
	aside   [][2]string // from, to
	made    []string    // paths of files to be removed if the restore fails
	temp    string      // directory for names without a place
	handles []*os.File
	done    bool
}

// unixName is a file whose permissions are still to be set.
type unixName struct {
	handle *os.File
	file   *unixFile
	object string
}

// bind gives sock a name and returns the address by which it can be connected
// to. file is where it is to be, nil for nowhere; cwd is the working directory of
// its program.
func (u *unixNames) bind(sock *os.File, name []byte, file *unixFile, cwd, object string) (addr []byte, err error) {
	path := unixPath(name)
	if path == "" {
		return name, u.bindAbstract(sock, name, object)
	}
	dir, err := u.directory(path, cwd, file)
	if err != nil {
		return nil, err
	}
	at := path
	if !filepath.IsAbs(path) {
		at = filepath.Join(dir, path)
	}
	if err := u.clear(at, object); err != nil {
		return nil, err
	}
	err = sys.InDirectory(dir, func() error { return sys.BindUnix(int(sock.Fd()), name) })
	if err != nil {
		return nil, fmt.Errorf("its name %s: %w", path, err)
	}
	u.made = append(u.made, at)
	// Until every connection of ours is made nobody else shall connect.
	if err := os.Chmod(at, 0o600); err != nil {
		return nil, err
	}
	// An open file leads to the socket wherever its name goes.
	handle, err := sys.OpenFile(at, sys.OPath|sys.ONofollow, 0)
	if err != nil {
		return nil, err
	}
	u.handles = append(u.handles, handle)
	addr = []byte(sys.FDPath(int(handle.Fd())))
	if file == nil {
		return addr, os.Remove(at)
	}
	u.files = append(u.files, unixName{handle, file, object})
	if file.Path == at {
		return addr, nil
	}
	if err := u.clear(file.Path, object); err != nil {
		return nil, err
	}
	u.made = append(u.made, file.Path)
	return addr, os.Rename(at, file.Path)
}

// directory is where a path is looked up from: a relative one at the program's
// working directory, or one whose file is gone anywhere.
func (u *unixNames) directory(path, cwd string, file *unixFile) (string, error) {
	switch {
	case filepath.IsAbs(path):
		return "/", nil
	case file != nil:
		return cwd, nil
	}
	if u.temp == "" {
		dir, err := os.MkdirTemp("", "ckpt-sockets-")
		if err != nil {
			return "", err
		}
		u.temp = dir
	}
	if !filepath.IsLocal(path) {
		return "", fmt.Errorf("%w: a socket named %q", image.ErrCorrupt, path)
	}
	return u.temp, os.MkdirAll(filepath.Dir(filepath.Join(u.temp, path)), 0o700)
}

// bindAbstract binds a name that is no path. One that the kernel chose may be
// another: nobody can rely on it.
func (u *unixNames) bindAbstract(sock *os.File, name []byte, object string) error {
	err := waitFree(func() error { return sys.BindUnix(int(sock.Fd()), name) })
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	if isAutobound(name) {
		u.r.Warn(object, "the name that the kernel had chosen for it is taken: it has another one now")
		return sys.BindUnix(int(sock.Fd()), nil)
	}
	return &UnsupportedError{object, "its name " + printable(name) + " is taken by another socket",
		"end the program that has it (ss -xlp names it)"}
}

// isAutobound reports whether a name is like those that the kernel chooses:
// five hexadecimal digits, see unix(7).
func isAutobound(name []byte) bool {
	return len(name) == 6 && name[0] == 0 && bytes.Trim(name[1:], "0123456789abcdef") == nil
}

// waitFree tries for a while, since the original may just be ending.
func waitFree(try func() error) error {
	for end := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		if err := try(); !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(end) {
			return err
		}
	}
}

// clear makes way for a socket's file.
func (u *unixNames) clear(path, object string) error {
	st, err := sys.LstatPath(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode&sys.ModeType != sys.ModeSocket {
		return &UnsupportedError{object, "where its file " + path + " was is another one now, which is no socket", "move it out of the way"}
	}
	if err := waitFree(func() error { return sys.UnixFileFree(path) }); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return &UnsupportedError{object, "another program has a socket at " + path, "end that program (ss -xlp names it)"}
		}
		return fmt.Errorf("whether somebody listens at %s: %w", path, err)
	}
	for i := 0; ; i++ {
		to := fmt.Sprintf("%s.ckpt-old-%d", path, i)
		if _, err := sys.LstatPath(to); err == nil {
			continue
		}
		if err := os.Rename(path, to); err != nil {
			return err
		}
		u.aside = append(u.aside, [2]string{path, to})
		return nil
	}
}

// publish gives the files their permissions and owners.
func (u *unixNames) publish() error {
	for _, n := range u.files {
		path := sys.FDPath(int(n.handle.Fd()))
		st, err := sys.StatPath(path)
		if err != nil {
			return err
		}
		if (st.UID != n.file.UID || st.GID != n.file.GID) && os.Chown(path, int(n.file.UID), int(n.file.GID)) != nil {
			u.r.Warn(n.object, fmt.Sprintf("its file belonged to user %d and group %d, it belongs to you now", n.file.UID, n.file.GID))
		}
		if err := os.Chmod(path, os.FileMode(n.file.Mode&0o777)); err != nil {
			return err
		}
	}
	return nil
}

// commit leaves the new files where they are, unless it is undone, and removes
// what was put aside: nobody can connect to that any more.
func (u *unixNames) commit() (undo func() error, err error) {
	u.done = true
	for _, a := range u.aside {
		_ = os.Remove(a[1]) // only litter
	}
	u.aside = nil
	return func() error {
		u.done = false // Close does it
		return nil
	}, u.removeTemp()
}

func (u *unixNames) removeTemp() error {
	if u.temp == "" {
		return nil
	}
	return os.RemoveAll(u.temp)
}

// Close puts everything back if the restore failed.
func (u *unixNames) Close() error {
	errs := []error{u.removeTemp()}
	for _, h := range u.handles {
		errs = append(errs, h.Close())
	}
	if !u.done {
		for _, path := range u.made {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		for _, a := range u.aside {
			errs = append(errs, os.Rename(a[1], a[0]))
		}
	}
	u.handles, u.made, u.aside = nil, nil, nil
	return errors.Join(errs...)
}

// printable is a name for messages.
func printable(name []byte) string {
	if path := unixPath(name); path != "" {
		return path
	}
	return strings.Replace(string(name), "\x00", "@", 1)
}
