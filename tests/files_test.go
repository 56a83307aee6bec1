package tests

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// saveFault starts "fault" with one thing in hand, saves it and kills it.
func saveFault(t *testing.T, dir, what string) {
	t.Helper()
	p := startFault(t, dir, os.Geteuid(), what)
	p.save(os.Geteuid(), "--then", "kill")
	p.wait()
}

// TestGrownFile: a file that the program writes and that has grown since the
// save is cut back to its length then, its tail kept beside it.
func TestGrownFile(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	saveFault(t, dir, "append")
	writeFile(t, dir, "log", "saved\nwritten after the save\n")
	p := restore(t, "ckpt", dir, os.Geteuid(), "fault")
	if got := text(dir, "log"); got != "saved\n" {
		t.Errorf("the log is %q, want it cut back to what was saved", got)
	}
	if tails, kept := tailFiles(t, dir, "log"); !kept["written after the save\n"] {
		t.Errorf("the tail is not kept beside the log: %q", tails)
	}
	if message := text(dir, "restore.err"); !strings.Contains(message, "log") {
		t.Errorf("the cut is not mentioned: %q", message)
	}
	p.mustRun()
}

// tailFiles returns the files beside name whose names begin with it, and their
// contents as a set.
func tailFiles(t *testing.T, dir, name string) (names []string, contents map[string]bool) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, name+"?*"))
	if err != nil {
		t.Fatal(err)
	}
	contents = map[string]bool{}
	for _, n := range names {
		contents[text(dir, filepath.Base(n))] = true
	}
	return names, contents
}

// TestGrownFileInUse: a grown file is not cut while somebody else has it open.
func TestGrownFileInUse(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	saveFault(t, dir, "append")
	writeFile(t, dir, "log", "saved\nby another\n")
	other, err := os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	restore(t, "ckpt", dir, os.Geteuid(), "fault")
	if got := text(dir, "log"); got != "saved\nby another\n" {
		t.Errorf("the log of another process was cut to %q", got)
	}
}

// TestGrownOptions: --grown keep leaves a grown file alone, --grown fail
// refuses before anything is changed.
func TestGrownOptions(t *testing.T) {
	t.Parallel()
	const grown = "saved\nmore\n"
	for _, option := range []string{"keep", "fail"} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			dir := workDir(t, os.Geteuid())
			saveFault(t, dir, "append")
			writeFile(t, dir, "log", grown)
			p := start(t, command{
				argv: []string{binary(t, "ckpt"), "restore", "--grown", option, "myckpt"},
				dir:  dir, uid: os.Geteuid(), prefix: "restore.",
			})
			if option == "fail" {
				if code := p.wait(); code != exitRestore || !strings.Contains(text(dir, "restore.err"), "log") {
					t.Errorf("status %d, want %d naming the log: %s", code, exitRestore, text(dir, "restore.err"))
				}
			} else {
				eventually(t, "the restored program", func() bool { return p.ended() || p.comm() == "fault" })
				p.mustRun()
			}
			if got := text(dir, "log"); got != grown {
				t.Errorf("the log is %q", got)
			}
		})
	}
}

// TestChangedFile: a file that was overwritten in place, or replaced by one of
// the same length, is kept and named; the program goes on.
func TestChangedFile(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"input", "output"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := workDir(t, os.Geteuid())
			writeFile(t, dir, what, "original")
			saveFault(t, dir, what)
			writeFile(t, dir, what, "modified")
			later := time.Now().Add(time.Hour)
			if err := os.Chtimes(filepath.Join(dir, what), later, later); err != nil {
				t.Fatal(err)
			}
			p := restore(t, "ckpt", dir, os.Geteuid(), "fault")
			p.mustRun()
			if got := text(dir, what); got != "modified" {
				t.Errorf("the file is %q", got)
			}
			if message := text(dir, "restore.err"); !strings.Contains(message, what) || strings.Count(message, "\n") != 1 {
				t.Errorf("want one line that names the changed file, got %q", message)
			}
			kill(t, p)

			p = start(t, command{
				argv: []string{binary(t, "ckpt"), "restore", "--changed", "fail", "myckpt"},
				dir:  dir, uid: os.Geteuid(), prefix: "restore.",
			})
			if code := p.wait(); code != exitRestore || !strings.Contains(text(dir, "restore.err"), what) {
				t.Errorf("--changed fail: status %d, %s", code, text(dir, "restore.err"))
			}
		})
	}
}

func kill(t *testing.T, p *process) {
	t.Helper()
	p.kill()
	if code := p.wait(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("the process had ended with status %d", code)
	}
}

// TestUnchangedFile: nothing is said about a file that is as it was.
func TestUnchangedFile(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	writeFile(t, dir, "input", "original")
	saveFault(t, dir, "input")
	restore(t, "ckpt", dir, os.Geteuid(), "fault").mustRun()
	if message := text(dir, "restore.err"); message != "" {
		t.Errorf("unasked for: %q", message)
	}
}

// TestMissingFile: a file that is gone is named before anything is started or
// changed; so is a working directory.
func TestMissingFile(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"input", "output"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := workDir(t, os.Geteuid())
			writeFile(t, dir, what, "original")
			saveFault(t, dir, what)
			if err := os.Remove(filepath.Join(dir, what)); err != nil {
				t.Fatal(err)
			}
			ckpt(t, dir, os.Geteuid(), "restore", "myckpt").want(t, exitRestore, filepath.Join(dir, what))
			if _, err := os.Lstat(filepath.Join(dir, what)); err == nil {
				t.Error("the file was made anew")
			}
		})
	}
	t.Run("cwd", func(t *testing.T) {
		t.Parallel()
		dir := workDir(t, os.Geteuid())
		saveFault(t, dir, "nothing")
		elsewhere := workDir(t, os.Geteuid())
		image := filepath.Join(elsewhere, "myckpt")
		if err := os.Rename(filepath.Join(dir, "myckpt"), image); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		ckpt(t, elsewhere, os.Geteuid(), "restore", image).want(t, exitRestore, dir)
	})
}

// TestReplacedFile: what is not a file of the same kind any more is refused.
func TestReplacedFile(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	writeFile(t, dir, "input", "original")
	saveFault(t, dir, "input")
	path := filepath.Join(dir, "input")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	ckpt(t, dir, os.Geteuid(), "restore", "myckpt").want(t, exitRestore, path)
}
