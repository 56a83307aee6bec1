package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TestEngineKilledTree is TestEngineKilled for a process and its child: at every
// single ptrace request of a save both run on, and in the end there is nobody
// else who runs their program.
func TestEngineKilledTree(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	p := startVictim(t, dir, "family")
	p.save(os.Geteuid())
	family := p.family()
	if len(family) != 2 {
		t.Fatalf("family %v", family)
	}
	traces := func() (all []string) {
		for _, pid := range family {
			for _, file := range []string{"maps", "status"} {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
				if err != nil {
					t.Fatal(err)
				}
				lines := normalMaps(string(b))
				if file == "status" {
					lines = statusLines(string(b))
				}
				all = append(all, lines...)
			}
		}
		return all
	}
	before, image := traces(), mustRead(t, dir, "myckpt")
	kill := 1
	for ; ; kill++ {
		cmd := exec.Command(binary(t, "ckpt"), "save", itoa(p.pid()))
		cmd.Dir = dir
		requests, err := runUntilPtrace(cmd, kill)
		if err != nil {
			t.Fatalf("engine to be killed at request %d: %v", kill, err)
		}
		progress(t, p, fmt.Sprintf("the engine died at ptrace request %d of its save", kill))
		image = checkImage(t, dir, image)
		if requests < kill {
			break // the save came to its end
		}
	}
	t.Logf("killed at each of %d ptrace requests", kill-1)
	p.save(os.Geteuid())
	onlyFiles(t, dir, "myckpt")
	if gone, added := difference(before, traces()); len(gone)+len(added) > 0 {
		t.Errorf("gone: %q, added: %q", gone, added)
	}
	eventually(t, "the end of all twins", func() bool { return len(runners(t, p.cmd.Path)) == len(family) })
}

// runners are the processes that run a program.
func runners(t *testing.T, path string) (pids []int) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if exe, err := os.Readlink(name + "/exe"); err == nil && exe == path {
			pid, _ := strconv.Atoi(filepath.Base(name))
			pids = append(pids, pid)
		}
	}
	return pids
}
