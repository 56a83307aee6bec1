package kind

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ckpt/internal/sys"
)

// later makes sure that what is written now has another mtime than what was
// written before: clocks of file systems tick every few milliseconds.
func later(t *testing.T, name string) {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := sys.SetMtime(fd, time.Now().Add(time.Minute).UnixNano()); err != nil {
		t.Fatal(err)
	}
}

func TestChangedFiles(t *testing.T) {
	t.Parallel()
	replace := func(t *testing.T, name, content string) {
		write(t, name+".new", content)
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		flags  int
		change func(t *testing.T, name string)
		says   []string
	}{
		{"replaced", unix.O_RDWR, func(t *testing.T, n string) { replace(t, n, "another content, longer") }, []string{"replaced by another file"}},
		{"grown input", unix.O_RDONLY, func(t *testing.T, n string) { write(t, n, "0123456789+++") }, []string{"grown by 3 bytes"}},
		{"in place", unix.O_RDWR, func(t *testing.T, n string) { write(t, n, "9876543210"); later(t, n) }, []string{"changed in place", "same length"}},
		{"input in place", unix.O_RDONLY, func(t *testing.T, n string) { write(t, n, "9876543210"); later(t, n) }, []string{"changed in place"}},
		{"shorter, written", unix.O_RDWR, func(t *testing.T, n string) { write(t, n, "012") }, []string{"lost 7 of its 10 bytes", "gap"}},
		{"shorter, appended", unix.O_WRONLY | unix.O_APPEND, func(t *testing.T, n string) { write(t, n, "") }, []string{"lost 10 of its 10 bytes"}},
		{"shorter, read", unix.O_RDONLY, func(t *testing.T, n string) { write(t, n, "012") }, []string{"lost 7 of its 10 bytes", "its end"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			name := file(t, "0123456789")
			fd := w.open(name, c.flags, 0)
			if _, err := unix.Seek(fd, 5, 0); err != nil {
				t.Fatal(err)
			}
			w.save(fd)
			c.change(t, name)
			now := textOf(t, name)

			w.restore()
			w.wantWarning(append(c.says, "fd ", name)...)
			if got := posOf(t, fd); got != 5 {
				t.Errorf("position %d, want 5", got)
			}
			w.Policy.Changed = ChangedFail
			wantRefused(t, w.tryRestore(), append(c.says, "fd ", name, "--changed=fail")...)
			if got := textOf(t, name); got != now {
				t.Errorf("the restore left %q, was %q", got, now)
			}
		})
	}
}

func TestChmodIsNoChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "x")
	w.save(w.open(name, unix.O_RDWR, 0))
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	w.Policy.Changed = ChangedFail
	w.restore()
}

// grownFile is a world with a file saved at 10 bytes that has 16 now.
func grownFile(t *testing.T) (w *world, fd int, name string) {
	t.Helper()
	w = newWorld(t)
	name = file(t, "")
	fd = w.open(name, unix.O_WRONLY, 0)
	writeAll(t, fd, "0123456789")
	w.save(fd)
	writeAll(t, fd, "abcdef")
	return w, fd, name
}

func TestGrownIsCut(t *testing.T) {
	t.Parallel()
	w, fd, name := grownFile(t)
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	write(t, name+".ckpt-tail-1", "of an earlier restore")
	w.restore()
	w.wantWarning("fd ", name, "grown by 6 bytes", "cut back", name+".ckpt-tail-2")
	if got := textOf(t, name); got != "0123456789" {
		t.Errorf("content %q", got)
	}
	if got := textOf(t, name+".ckpt-tail-2"); got != "abcdef" {
		t.Errorf("tail %q", got)
	}
	if got := textOf(t, name+".ckpt-tail-1"); got != "of an earlier restore" {
		t.Errorf("the earlier tail was overwritten: %q", got)
	}
	if st, _ := os.Stat(name + ".ckpt-tail-2"); st.Mode().Perm() != 0o640 {
		t.Errorf("mode of the tail %v, want that of the file", st.Mode())
	}
	if got := posOf(t, fd); got != 10 {
		t.Errorf("position %d, want 10", got)
	}
	writeAll(t, fd, "XY")
	if got := textOf(t, name); got != "0123456789XY" {
		t.Errorf("content %q after the program wrote on", got)
	}
}

// A file that is open for reading first and for writing second is one file.
func TestGrownIsCutOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := file(t, "0123456789")
	w.save(w.open(name, unix.O_RDONLY, 0), w.open(name, unix.O_WRONLY|unix.O_APPEND, 0))
	write(t, name, "0123456789abcdef")
	w.restore()
	w.wantWarning("cut back", name+".ckpt-tail-1")
}

func TestGrownKeepAndFail(t *testing.T) {
	t.Parallel()
	w, _, name := grownFile(t)
	w.Policy.Grown = GrownKeep
	w.restore()
	w.wantWarning("grown by 6 bytes", "left as it is")
	w.Policy.Grown = GrownFail
	wantRefused(t, w.tryRestore(), "fd ", name, "grown by 6 bytes", "--grown=cut")
	wantUntouched(t, name)
}

// wantUntouched demands that a grownFile is as it was.
func wantUntouched(t *testing.T, name string) {
	t.Helper()
	if got := textOf(t, name); got != "0123456789abcdef" {
		t.Errorf("content %q", got)
	}
	if tails, _ := filepath.Glob(name + ".ckpt-tail-*"); tails != nil {
		t.Errorf("left behind: %q", tails)
	}
}

func TestGrownButHeldByAnother(t *testing.T) {
	t.Parallel()
	w, _, name := grownFile(t)
	holder, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{holder}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	w.restore()
	w.wantWarning("grown by 6 bytes", "left as it is", "(sleep) has it open")
	wantUntouched(t, name)
}

// A restore that fails must have changed nothing.
func TestFailedRestoreDoesNotCut(t *testing.T) {
	t.Parallel()
	w, _, name := grownFile(t)
	missing := file(t, "x")
	w.save(w.open(missing, unix.O_RDONLY, 0))
	if err := os.Remove(missing); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, w.tryRestore(), missing)
	wantUntouched(t, name)
}

func TestCutIsUndone(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]bool{"a later step fails": true, "the execve fails": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			name := file(t, "0123456789abcdef")
			st, err := sys.StatPath(name)
			if err != nil {
				t.Fatal(err)
			}
			c, obstacle := newCut(name, 10, st)
			if obstacle != "" {
				t.Fatal(obstacle)
			}
			r := &RestoreContext{}
			defer r.Close()
			r.HoldToUndo(c.file)
			r.AtEnd(func() (func() error, error) { return c.undo, c.do() })
			broken := errors.New("broken")
			r.AtEnd(func() (func() error, error) {
				if got := textOf(t, name); got != "0123456789" {
					t.Errorf("not cut: %q", got)
				}
				if fail {
					return nil, broken
				}
				return nil, nil
			})
			undo, err := r.Commit()
			if fail {
				if !errors.Is(err, broken) {
					t.Errorf("got %v", err)
				}
			} else if err := errors.Join(err, undo()); err != nil {
				t.Error(err)
			}
			wantUntouched(t, name)
		})
	}
}

// A file that goes on growing has somebody who writes it, whatever /proc says.
func TestCutRefusesAMovingFile(t *testing.T) {
	t.Parallel()
	name := file(t, "0123456789abcdef")
	st, err := sys.StatPath(name)
	if err != nil {
		t.Fatal(err)
	}
	c, obstacle := newCut(name, 10, st)
	if obstacle != "" {
		t.Fatal(obstacle)
	}
	defer c.file.Close()
	write(t, name, "0123456789abcdefghi")
	if err := c.do(); err == nil || !strings.Contains(err.Error(), "being written") {
		t.Errorf("got %v", err)
	}
	if got := textOf(t, name); got != "0123456789abcdefghi" {
		t.Errorf("content %q", got)
	}
}

// Holes in the tail stay holes: a sparse file can have terabytes of them.
func TestTailKeepsHoles(t *testing.T) {
	t.Parallel()
	name := file(t, "0123456789")
	const end = 1 << 40
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("far"), end-3); err != nil {
		t.Fatal(err)
	}
	st, err := sys.StatPath(name)
	if err != nil {
		t.Fatal(err)
	}
	cutter := &cut{file: f, path: name, size: 10, end: st.Size}
	if err := cutter.do(); err != nil {
		t.Fatal(err)
	}
	tail, err := sys.StatPath(cutter.tail)
	if err != nil || tail.Size != end-10 || tail.Blocks > 64 {
		t.Errorf("tail %+v, %v", tail, err)
	}
	if err := cutter.undo(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 3)
	if _, err := f.ReadAt(b, end-3); err != nil || string(b) != "far" {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestCutInReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; TestUnprivileged runs this")
	}
	w, _, name := grownFile(t)
	dir := filepath.Dir(name)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	w.restore()
	w.wantWarning("grown by 6 bytes", "left as it is", "permission denied")
	wantUntouched(t, name)
}
