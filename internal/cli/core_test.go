package cli

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ckpt/internal/image"
)

// treeManifest is of a root with two threads, one of which has ended, a child and
// a zombie below that.
func treeManifest() *image.Manifest {
	rw := image.ProtRead | image.ProtWrite
	process := func(pid, ppid int, args ...string) image.Process {
		return image.Process{
			PID: pid, PPID: ppid, PGID: 4711, SID: 4700, Exe: "/bin/" + args[0], Args: args, Cwd: "/tmp",
			Limits: make([]image.Rlimit, 16), Auxv: make([]byte, 16),
			Areas:       []image.Area{{Start: 0x10000, End: 0x14000, Kind: image.Anonymous, File: -1, Prot: rw, Name: "[heap]", Flags: []string{}}},
			Threads:     []image.Thread{{TID: pid, Comm: args[0], Affinity: []uint64{5}}},
			Descriptors: []image.Descriptor{{FD: 1, File: 0}},
		}
	}
	root, child := process(4711, 4700, "make", "-j3"), process(4720, 4711, "cc1", "a b.c")
	root.Threads[0].Dead = true
	root.Threads = append(root.Threads, image.Thread{TID: 4712, Comm: "worker", Nice: 5, SigMask: 1 << 9})
	child.Stopped = true
	child.Descriptors = append(child.Descriptors, image.Descriptor{FD: 3, File: 1, CloseOnExec: true})
	zombie := image.Process{
		PID: 4730, PPID: 4720, PGID: 4711, SID: 4700, Zombie: true, ExitStatus: 3 << 8,
		Threads: []image.Thread{{TID: 4730, Comm: "as", Dead: true}},
	}
	return &image.Manifest{
		Version: image.ManifestVersion, ID: strings.Repeat("ab", 16), Trigger: image.TriggerCommand,
		Host:      image.Host{Arch: "amd64", PageSize: page},
		Processes: []image.Process{root, child, zombie},
		Files:     []image.OpenFile{{ID: 0, Kind: "tty", Path: "/dev/pts/1", Flags: 2}, {ID: 1, Kind: "regular", Path: "/tmp/a\nb", Pos: 12}},
	}
}

// treeImage writes an image of these, of which the child shares a page with the
// root.
func treeImage(t *testing.T) string {
	t.Helper()
	m := treeManifest()
	path := filepath.Join(t.TempDir(), "myckpt")
	w, err := image.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Layout(image.Layout{Processes: []image.Space{
		{Areas: m.Processes[0].Areas, Runs: []image.Run{{Start: 0x10000, Len: 2 * page}}},
		{
			Areas: m.Processes[1].Areas, Runs: []image.Run{{Start: 0x11000, Len: page}},
			Same: []image.Same{{Run: image.Run{Start: 0x10000, Len: page}}},
		},
		{},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Process(0).WriteMemory(0x10000, bytes.Repeat([]byte{1}, 2*page)); err != nil {
		t.Fatal(err)
	}
	if err := w.Process(1).WriteMemory(0x11000, bytes.Repeat([]byte{2}, page)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(m, image.CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// ckpt runs a command and returns what it printed.
func ckpt(t *testing.T, want int, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := Root()
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	if code := run(root, args); code != want {
		t.Errorf("ckpt %q: exit code %d, want %d: %s", args, code, want, stderr.String())
	}
	return stdout.String(), stderr.String()
}

func TestCore(t *testing.T) {
	t.Parallel()
	path := treeImage(t)
	core := filepath.Join(t.TempDir(), "child.core")
	out, _ := ckpt(t, exitOK, "core", "--pid", "4720", "-o", core, path)
	if !strings.HasPrefix(out, "wrote "+core+" (") || !strings.HasSuffix(out, "): gdb /bin/cc1 "+core+"\n") {
		t.Errorf("it says %q", out)
	}
	f, err := elf.Open(core)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, want := range []byte{1, 2} { // a page of its parent's, and its own
		got := make([]byte, page)
		if _, err := f.Progs[1+i].ReadAt(got, 0); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{want}, page)) {
			t.Errorf("page %d of the child has %v, %v", i, got[:8], err)
		}
	}
	var d coreJSON
	out, _ = ckpt(t, exitOK, "core", "--json", "-o", core, path)
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.PID != 4711 || d.Schema != "ckpt/core/1" {
		t.Errorf("%v: %s", err, out)
	}
	for want, args := range map[string][]string{
		"no process 4799 in it":         {"core", "--pid", "4799", path},
		"is the image itself":           {"core", "-o", path, path},
		"the name of the core is empty": {"core", "-o", "", path},
	} {
		if _, errs := ckpt(t, exitUsage, args...); !strings.Contains(errs, want) {
			t.Errorf("%q: %q, want %q", args, errs, want)
		}
	}
	if _, errs := ckpt(t, exitError, "core", "--pid", "4730", path); !strings.Contains(errs, "4730: it had ended already") {
		t.Errorf("core of a zombie: %q", errs)
	}
	if _, err := os.Stat("core.4730"); err == nil {
		t.Error("core.4730 is there")
	}
	if out, _ := ckpt(t, exitOK, "__complete", "core", path, "--pid", ""); !strings.Contains(out, "4720\tcc1") {
		t.Errorf("completes to %q", out)
	}
}
