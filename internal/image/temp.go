package image

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ckpt/internal/sys"
)

// tempFile is an image in the making: a file beside its destination that its
// writer holds a flock(2) on. A temporary file without a lock belongs to a
// writer that is dead.
//
// Its name is the same for all writers of a destination, so that they take
// turns: who comes second waits until the first has published or given up.
// Otherwise a save that takes long could replace the image of a later one, which
// is newer.
type tempFile struct {
	dir  *os.Root // the destination's directory, wherever it is moved to
	file *os.File
	name string // of file; "" once it is published or removed
	dest string
	kept string // the other name of what is at the destination; "" once it is published
}

// maxTempBase is how much of the destination's name goes into the temporary
// name, which has to stay below NAME_MAX.
const maxTempBase = 200

// createTemp makes a temporary file for the destination path.
// limit is how long it waits for another writer.
func createTemp(ctx context.Context, path string, limit time.Duration) (*tempFile, error) {
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
		err = t.create(ctx, limit)
	}
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("create %s: %w", path, err)
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

// create waits for its turn and makes the file.
func (t *tempFile) create(ctx context.Context, limit time.Duration) error {
	short := t.dest[:min(len(t.dest), maxTempBase)]
	t.removeStale(short)
	name := "." + short + ".tmp"
	const pause = 2 * time.Millisecond
	for end := time.Now().Add(limit); ; {
		err := t.make(name)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := t.removeIfStale(name); err != nil {
			return t.make(t.uniqueName(short))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w after %v (%s)", ErrBusy, limit, name)
		}
	}
}

// uniqueName is for where no turn can be awaited: the name is another user's, or
// the file system has no locks.
func (t *tempFile) uniqueName(short string) string {
	var random [8]byte
	rand.Read(random[:]) // never fails, see crypto/rand
	return fmt.Sprintf(".%s.%d-%s.tmp", short, os.Getpid(), hex.EncodeToString(random[:]))
}

// make makes the file, locked. ErrExist says that another writer has that name,
// or took it.
func (t *tempFile) make(name string) error {
	f, err := t.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	// File systems without locks only lose the cleaning up. Whoever took
	// the file for a dead writer's before it was locked has removed it.
	lockErr := sys.TryFlock(int(f.Fd()), true)
	if errors.Is(lockErr, syscall.EAGAIN) || !t.isNamed(name, f) {
		f.Close()
		return fmt.Errorf("lock %s: %w", name, fs.ErrExist)
	}
	t.file, t.name = f, name
	if err := f.Chmod(0o600); err != nil { // whatever the umask
		t.remove()
		return err
	}
	return nil
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

// removeStale removes the temporary files with unique names whose writers died.
func (t *tempFile) removeStale(short string) {
	d, err := t.dir.Open(".")
	if err != nil {
		return
	}
	defer d.Close()
	names, err := d.Readdirnames(mostSwept)
	if err != nil || len(names) == mostSwept {
		return // a program that waits for its handler should not wait for that
	}
	for _, name := range names {
		if isUnique(name, short) {
			_ = t.removeIfStale(name) // that it cannot is no reason not to write
		}
	}
}

// isUnique reports whether a name is one that uniqueName makes.
func isUnique(name, short string) bool {
	rest, ours := strings.CutPrefix(name, "."+short+".")
	rest, temporary := strings.CutSuffix(rest, ".tmp")
	pid, random, both := strings.Cut(rest, "-")
	return ours && temporary && both && pid != "" && strings.Trim(pid, "0123456789") == "" &&
		len(random) == 16 && strings.Trim(random, "0123456789abcdef") == ""
}

// removeIfStale removes a file whose writer died. A live writer's is left alone;
// an error says that it is no writer of ours.
func (t *tempFile) removeIfStale(name string) error {
	info, err := t.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", name)
	}
	// For writing: else NFS gives no exclusive lock.
	f, err := t.dir.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := sys.TryFlock(int(f.Fd()), true); err != nil {
		// Somebody else may hold a lock just to be in the way.
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && int(st.Uid) == os.Geteuid() && errors.Is(err, syscall.EAGAIN) {
			return nil
		}
		return err
	}
	if !t.isNamed(name, f) {
		return nil
	}
	return t.dir.Remove(name)
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
	t.name, t.kept = "", ""
	// A twin that is dying, which takes long, has a copy of the descriptor.
	_ = sys.Unflock(int(t.file.Fd())) // at the latest it is given back then
	if !sync {
		return nil
	}
	return t.syncName()
}

// syncName makes names in the directory durable.
func (t *tempFile) syncName() error {
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
	if t.kept != "" {
		_ = t.dir.Remove(t.kept)
		t.kept = ""
	}
	t.file.Close()
	t.dir.Close()
	t.file = nil
}
