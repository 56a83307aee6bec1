package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestDestinationsThatAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	link := filepath.Join(dir, "link")
	dangling := filepath.Join(dir, "dangling")
	sub := filepath.Join(dir, "sub")
	for _, err := range []error{
		os.WriteFile(target, []byte("precious"), 0o600),
		os.Symlink(target, link), os.Symlink("nowhere", dangling), os.Mkdir(sub, 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		link: "symbolic link", dangling: "symbolic link", sub: "not a regular file",
		sub + "/": "is a directory", "..": "is a directory",
		filepath.Join(dir, "missing", "image"): "no such file",
	} {
		if _, err := Create(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if got := files(t, target); len(got) != 4 {
		t.Errorf("left behind: %q", got)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	m := sample()
	w := begin(t, path, m, smallAreas(), smallMemory())
	if got := files(t, path); len(got) != 2 || !strings.HasPrefix(got[0], ".image.") || !strings.HasSuffix(got[0], ".tmp") {
		t.Errorf("while writing: %q", got)
	}
	if _, err := w.Finish(m); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	if err := w.Publish(CommitOptions{}); err == nil {
		t.Error("published after Abort")
	}
	if b, err := os.ReadFile(path); string(b) != "old" || err != nil {
		t.Errorf("the old file is %q, %v", b, err)
	}
	if got := files(t, path); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
}

func TestFailedCommitLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	m := sample()
	w := begin(t, path, m, smallAreas(), smallMemory())
	m.Processes[0].Threads = nil
	if _, err := w.Commit(m, CommitOptions{}); err == nil {
		t.Fatal("a process without threads was taken")
	}
	if got := files(t, path); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

func TestPublishReplaces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 255)) // NAME_MAX
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	m := sample()
	w := begin(t, path, m, smallAreas(), smallMemory())
	defer w.Abort()
	if _, err := w.Commit(m, CommitOptions{Fsync: true}); err != nil {
		t.Fatal(err)
	}
	w.Abort() // does nothing any more
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := check(path); err != nil {
		t.Error(err)
	}
	if got := files(t, path); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
}

func TestStaleFilesGo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	live := openDir(t, path)
	unique := live.uniqueName("image")
	if err := live.make(unique); err != nil {
		t.Fatal(err)
	}
	defer live.remove()
	keep := []string{
		unique,
		".image.12-0123456789abcdeg.tmp", // not of our making
		".image.12-0123456789abcdef.tmp.x",
		".other.12-0123456789abcdef.tmp",
		".image.13-0123456789abcdef.tmp", // a symbolic link
	}
	stale := []string{".image.12-0123456789abcdef.tmp", ".image.tmp"}
	for _, name := range append(keep[1:4:4], stale...) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(stale[0], filepath.Join(filepath.Dir(path), keep[4])); err != nil {
		t.Fatal(err)
	}
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.temp.name; got != stale[1] {
		t.Errorf("the temporary file is %q", got)
	}
	w.Abort()
	got := files(t, path)
	slices.Sort(keep)
	if !slices.Equal(got, keep) {
		t.Errorf("there are %q, want %q", got, keep)
	}
	live.remove()
	if got := files(t, path); slices.Contains(got, unique) || len(got) != 4 {
		t.Errorf("after its end there are %q", got)
	}
}

// openDir is a tempFile without a file yet.
func openDir(t *testing.T, path string) *tempFile {
	t.Helper()
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return &tempFile{dir: dir, dest: filepath.Base(path)}
}

// TestTurns has a second writer wait for the first, for a limited time, and
// begin at once when the first has ended, in whatever way.
func TestTurns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	for name, end := range map[string]func(*Writer, *Manifest) error{
		"published": func(w *Writer, m *Manifest) error { _, err := w.Commit(m, CommitOptions{}); return err },
		"aborted":   func(w *Writer, _ *Manifest) error { w.Abort(); return nil },
		"died":      func(w *Writer, _ *Manifest) error { return w.temp.file.Close() },
	} {
		m := sample()
		first := begin(t, path, m, smallAreas(), smallMemory())
		if _, err := createTemp(t.Context(), path, 20*time.Millisecond); !errors.Is(err, ErrBusy) {
			t.Fatalf("while another one writes: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Create(ctx, path); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if got := files(t, path); !slices.Contains(got, first.temp.name) {
			t.Fatalf("the live writer's file is gone: %q", got)
		}
		second := make(chan error)
		go func() {
			w, err := Create(t.Context(), path)
			if err == nil {
				w.Abort()
			}
			second <- err
		}()
		if err := end(first, m); err != nil {
			t.Fatal(err)
		}
		if err := <-second; err != nil {
			t.Errorf("when the other one has %s: %v", name, err)
		}
		if got := files(t, path); slices.Contains(got, ".image.tmp") {
			t.Errorf("%s: left behind: %q", name, got)
		}
	}
}

// TestTurnsOfMany has writers that all want the same name, some of which die:
// there is never more than one at a time.
func TestTurnsOfMany(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	var at atomic.Int32
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 10 {
				w, err := Create(t.Context(), path)
				if err != nil {
					t.Error(err)
					return
				}
				if w.temp.name != ".image.tmp" {
					t.Errorf("the temporary file is %q", w.temp.name)
				}
				if at.Add(1) != 1 {
					t.Error("two at a time")
				}
				at.Add(-1)
				if (i+n)%3 == 0 {
					w.temp.file.Close() // killed
				} else {
					w.Abort()
				}
			}
		})
	}
	group.Wait()
}

// TestNoTurns has a name that is in the way for good.
func TestNoTurns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), ".image.tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if !strings.HasPrefix(w.temp.name, ".image.") || w.temp.name == ".image.tmp" {
		t.Errorf("the temporary file is %q", w.temp.name)
	}
}

func TestIsUnique(t *testing.T) {
	made := (&tempFile{dest: "myckpt"}).uniqueName("myckpt")
	for name, want := range map[string]bool{
		made: true, ".myckpt.1-0123456789abcdef.tmp": true,
		".myckpt.tmp": false, ".myckpt.1-0123456789abcdeg.tmp": false, ".myckpt.-0123456789abcdef.tmp": false,
		".myckpt.1x-0123456789abcdef.tmp": false, ".myckpt.1-0123456789abcde.tmp": false, ".other.1-0123456789abcdef.tmp": false,
		"myckpt.1-0123456789abcdef.tmp": false, ".myckpt.1-0123456789abcdef": false, ".myckpt.1-0123456789abcdef-0123456789abcdef.tmp": false,
	} {
		if isUnique(name, "myckpt") != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}
