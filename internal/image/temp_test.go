package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
		if _, err := Create(path); err == nil || !strings.Contains(err.Error(), want) {
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
	live, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Abort()
	keep := []string{
		live.temp.name,
		".image.12-0123456789abcdeg.tmp", // not of our making
		".image.12-0123456789abcdef.tmp.x",
		".other.12-0123456789abcdef.tmp",
		".image.13-0123456789abcdef.tmp", // a symbolic link
	}
	stale := ".image.12-0123456789abcdef.tmp"
	for _, name := range append(keep[1:4:4], stale) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(stale, filepath.Join(filepath.Dir(path), keep[4])); err != nil {
		t.Fatal(err)
	}
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	got := files(t, path)
	slices.Sort(keep)
	if !slices.Equal(got, keep) {
		t.Errorf("there are %q, want %q", got, keep)
	}
	live.Abort()
	if got := files(t, path); slices.Contains(got, live.temp.name) || len(got) != 4 {
		t.Errorf("after Abort there are %q", got)
	}
}
