package image

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"ckpt/internal/sys"
)

// tempFile is an image in the making: a file beside its destination, under a
// name of its own, that its writer holds a flock(2) on. A temporary file
// without a lock belongs to a writer that is dead.
type tempFile struct {
	dir  *os.Root // the destination's directory, wherever it is moved to
	file *os.File
	name string // of file; "" once it is published or removed
	dest string
}

// maxTempBase is how much of the destination's name goes into the temporary
// name, which has to stay below NAME_MAX.
const maxTempBase = 200

// createTemp makes a temporary file for the destination path.
func createTemp(path string) (*tempFile, error) {
	parent, base := filepath.Split(path)
	if base == "" || base == "." || base == ".." {
		return nil, fmt.Errorf("%s: %w", path, syscall.EISDIR)
	}
	if parent == "" {
		parent = "."
	}
	dir, err := os.OpenRoot(parent)
	if err != nil {
		return nil, fmt.Errorf("directory of %s: %w", path, err)
	}
	t := &tempFile{dir: dir, dest: base}
	if err = checkDestination(dir, base); err == nil {
		err = t.create()
	}
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("create image %s: %w", path, err)
	}
	return t, nil
}

// checkDestination refuses to replace anything but a file: the name of a
// symbolic link in a directory that all may write to is somebody's trap.
func checkDestination(dir *os.Root, base string) error {
	info, err := dir.Lstat(base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a symbolic link")
	case !info.Mode().IsRegular():
		return errors.New("it exists and is not a regular file")
	}
	return nil
}

func (t *tempFile) create() error {
	short := t.dest[:min(len(t.dest), maxTempBase)]
	t.removeStale(short)
	const tries = 10
	for range tries {
		var random [8]byte
		rand.Read(random[:]) // never fails, see crypto/rand
		name := fmt.Sprintf(".%s.%d-%s.tmp", short, os.Getpid(), hex.EncodeToString(random[:]))
		f, err := t.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		// File systems without locks only lose the cleaning up. Whoever took
		// the file for a dead writer's before it was locked has removed it.
		lockErr := sys.TryFlock(int(f.Fd()), true)
		if errors.Is(lockErr, syscall.EAGAIN) || !t.isNamed(name, f) {
			f.Close()
			continue
		}
		t.file, t.name = f, name
		if err := f.Chmod(0o600); err != nil { // whatever the umask
			t.remove()
			return err
		}
		return nil
	}
	return errors.New("others keep removing the temporary file")
}

// isNamed tells whether name is still f's.
func (t *tempFile) isNamed(name string, f *os.File) bool {
	there, err := t.dir.Lstat(name)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && os.SameFile(info, there)
}

// removeStale removes temporary files of writers that died. That it cannot is
// no reason not to write.
func (t *tempFile) removeStale(short string) {
	ours := regexp.MustCompile(`^\.` + regexp.QuoteMeta(short) + `\.[0-9]+-[0-9a-f]{16}\.tmp$`)
	d, err := t.dir.Open(".")
	if err != nil {
		return
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return
	}
	for _, name := range names {
		if ours.MatchString(name) {
			t.removeIfStale(name)
		}
	}
}

func (t *tempFile) removeIfStale(name string) {
	if info, err := t.dir.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := t.dir.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if t.isNamed(name, f) && sys.TryFlock(int(f.Fd()), true) == nil {
		_ = t.dir.Remove(name)
	}
}

// publish gives the file its real name. With sync the content reaches the disk
// before the name, and the name before publish returns.
func (t *tempFile) publish(sync bool) error {
	if sync {
		if err := sys.SyncData(t.file); err != nil {
			return err
		}
	}
	if err := t.dir.Rename(t.name, t.dest); err != nil {
		return err
	}
	t.name = ""
	if !sync {
		return nil
	}
	d, err := t.dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err // EINVAL: this file system syncs no directories
	}
	return nil
}

// remove closes the file and removes it if it was not published. It may be
// called more than once.
func (t *tempFile) remove() {
	if t.file == nil {
		return
	}
	if t.name != "" {
		_ = t.dir.Remove(t.name)
		t.name = ""
	}
	t.file.Close()
	t.dir.Close()
	t.file = nil
}
