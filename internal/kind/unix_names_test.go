package kind

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUnixFileComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "socket")
	w := newWorld(t)
	s := w.unixSocket(unix.SOCK_STREAM, path)
	if err := os.Chmod(path, 0o620); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(s, 5); err != nil {
		t.Fatal(err)
	}
	w.save(s)
	for range 2 { // the second time the file is that of the first restore
		w.restore()
		if st, err := os.Stat(path); err != nil || st.Mode() != os.ModeSocket|0o620 {
			t.Errorf("file %v, %v", st, err)
		}
		connectTo(t, w.unixSocket(unix.SOCK_STREAM, ""), path)
		if names := list(t, dir); len(names) != 1 {
			t.Errorf("left behind: %q", names)
		}
		w.local = nil
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Bound to a temporary name, then renamed: the socket keeps the first.
func TestUnixFileRenamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "temp"), filepath.Join(dir, "real")
	w := newWorld(t)
	s := w.unixSocket(unix.SOCK_STREAM, first)
	if err := unix.Listen(s, 5); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(first, second); err != nil {
		t.Fatal(err)
	}
	w.save(s)
	w.restore()
	if nameOf(t, s) != first {
		t.Errorf("name %q", nameOf(t, s))
	}
	connectTo(t, w.unixSocket(unix.SOCK_STREAM, ""), second)
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
}

// A connection whose listening socket was removed, and a new one of that name.
func TestUnixFileRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "socket")
	w := newWorld(t)
	old, client := w.unixSocket(unix.SOCK_STREAM, path), w.unixSocket(unix.SOCK_STREAM, "")
	if err := unix.Listen(old, 5); err != nil {
		t.Fatal(err)
	}
	connectTo(t, client, path)
	accepted := w.accept(old)
	w.shut(old)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	send(t, client, "hello")
	fds := []int{client, accepted}
	w.save(fds...)
	w.restore()
	wantReceived(t, accepted, "hello")
	if nameOf(t, accepted) != path || len(list(t, dir)) != 0 {
		t.Errorf("name %q, files %q", nameOf(t, accepted), list(t, dir))
	}
}

func TestUnixRelativeName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	w.Manifest.Processes[0].Cwd = dir
	path := filepath.Join(dir, "rel")
	s := w.unixSocket(unix.SOCK_DGRAM, path)
	w.save(s)
	w.editUnix(func(det *unixDetail) { det.Name = []byte("rel\x00") })
	w.restore()
	if nameOf(t, s) != "rel" {
		t.Errorf("name %q", nameOf(t, s))
	}
	connectTo(t, w.unixSocket(unix.SOCK_DGRAM, ""), path)
}

// editUnix changes the details of the first file.
func (w *world) editUnix(edit func(*unixDetail)) {
	w.t.Helper()
	det, err := detail[unixDetail](&w.Manifest.Files[0])
	if err != nil {
		w.t.Fatal(err)
	}
	edit(&det)
	if err := setDetail(&w.Manifest.Files[0], det); err != nil {
		w.t.Fatal(err)
	}
}

func TestUnixNameTaken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	for name, object := range map[string]string{path: "another program has a socket", abstract(t, ""): "taken by another socket"} {
		w := newWorld(t)
		s := w.unixSocket(unix.SOCK_STREAM, name)
		w.save(s)
		w.drop()
		if name == path {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		other := w.unixSocket(unix.SOCK_STREAM, name)
		if err := unix.Listen(other, 1); err != nil {
			t.Fatal(err)
		}
		wantWords(t, w.tryRestore().Error(), object)
		connectTo(t, w.unixSocket(unix.SOCK_STREAM, ""), name) // it was left alone
	}
}

func TestUnixFileNoSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	w := newWorld(t)
	s := w.unixSocket(unix.SOCK_STREAM, path)
	w.save(s)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := w.tryRestore()
	if err == nil {
		t.Fatal("restored over a file")
	}
	wantWords(t, err.Error(), path, "no socket")
	if b, err := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file: %q, %v", b, err)
	}
}

// A restore that fails later leaves the files as they were.
func TestUnixFilePutBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "socket")
	w := newWorld(t)
	s, missing := w.unixSocket(unix.SOCK_STREAM, path), w.open(file(t, "x"), unix.O_RDONLY, 0)
	w.save(s, missing)
	was, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(w.Manifest.Files[1].Path); err != nil {
		t.Fatal(err)
	}
	if err := w.tryRestore(); err == nil {
		t.Fatal("restored without a file")
	}
	is, err := os.Stat(path)
	if err != nil || !os.SameFile(is, was) || len(list(t, dir)) != 1 {
		t.Errorf("file %v, %v; %q", is, err, list(t, dir))
	}
}
