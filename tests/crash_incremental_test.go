package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestEngineKilledIncremental kills the engine with SIGKILL at every ptrace request of
// an incremental save, as TestEngineKilled does: of a process that is watched already,
// and each time of a new one that is not. The program runs on, the last image is there
// or a whole new one, and the next incremental image shows all of its memory as a
// complete one does. After that the process holds one marker and one userfaultfd, and
// nothing else is left.
func TestEngineKilledIncremental(t *testing.T) {
	t.Parallel()
	ordinary := os.Geteuid()
	if ordinary == 0 {
		ordinary = nobody
	}
	for _, c := range []struct {
		name    string
		watched bool
		uid     int
	}{
		{"watched", true, os.Geteuid()},
		{"new, as an ordinary user", false, ordinary},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needWatch(t, c.uid)
			var v *incrementalVictim
			if c.watched {
				v = startIncrementalVictim(t, c.uid)
				v.saveIncrementally(t, "it is the first")
			}
			kill := 1
			for whole := false; !whole; kill++ {
				if !c.watched {
					v = startIncrementalVictim(t, c.uid)
				}
				if whole = v.killEngine(t, kill); whole {
					v.saveIncrementally(t, "on top of")
				} else {
					v.saveIncrementally(t, "as a complete image")
				}
				v.leftAlone(t)
				if !c.watched && !whole {
					v.kill()
				}
			}
			t.Logf("killed at each of %d ptrace requests", kill-2)
			v.save(c.uid)
			onlyFiles(t, v.dir, "myckpt")
			checkCount(t, v.process)
		})
	}
}

type incrementalVictim struct {
	*process
	uid         int
	descriptors []string
}

func startIncrementalVictim(t *testing.T, uid int) *incrementalVictim {
	t.Helper()
	p := start(t, command{argv: []string{target(t, "counter"), "1000000"}, dir: workDir(t, uid), uid: uid})
	p.awaitOutput("\n3 ")
	v := &incrementalVictim{process: p, uid: uid}
	v.descriptors = (&probeRun{process: p}).descriptors(t)
	return v
}

// killEngine kills an incremental save at a ptrace request, and reports whether it came
// to its end before.
func (v *incrementalVictim) killEngine(t *testing.T, kill int) (whole bool) {
	t.Helper()
	before := text(v.dir, "myckpt")
	cmd := exec.Command(binary(t, "ckpt"), "save", "--incremental", itoa(v.pid()))
	cmd.Dir = v.dir
	if v.uid != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(v.uid), Gid: uint32(v.uid)}}
	}
	requests, err := runUntilPtrace(cmd, kill)
	if err != nil {
		t.Fatalf("engine to be killed at request %d: %v", kill, err)
	}
	progress(t, v.process, fmt.Sprintf("the engine died at ptrace request %d of its save", kill))
	if now := text(v.dir, "myckpt"); now != before {
		ckpt(t, v.dir, v.uid, "verify", "myckpt").want(t, exitOK)
	}
	return requests < kill
}

// saveIncrementally saves, and compares the image with a complete one of the same
// moment. What is said about the save must have the words.
func (v *incrementalVictim) saveIncrementally(t *testing.T, words string) {
	t.Helper()
	r := ckpt(t, v.dir, v.uid, "save", "--incremental", "--then", "stop", itoa(v.pid()))
	r.want(t, exitOK)
	if !strings.Contains(r.stdout, words) {
		t.Errorf("%q is not in %q", words, r.stdout)
	}
	v.save(v.uid, "-o", "whole")
	sameImages(t, v.dir, v.uid)
	if err := os.Remove(v.dir + "/whole"); err != nil {
		t.Fatal(err)
	}
	_ = v.cmd.Process.Signal(syscall.SIGCONT)
}

// leftAlone checks that the process holds what it has to for the next image, and that
// nothing else was left in it.
func (v *incrementalVictim) leftAlone(t *testing.T) {
	t.Helper()
	_, added := difference(v.descriptors, (&probeRun{process: v.process}).descriptors(t))
	var ours string
	for _, d := range added {
		_, what, _ := strings.Cut(d, " ")
		ours += what + "; "
	}
	if want := "/memfd:ckpt-incremental (deleted); anon_inode:[userfaultfd]; "; ours != want {
		t.Errorf("the process holds %q", added)
	}
	if left := children(v.pid()); len(left) > 0 {
		t.Errorf("the process has children %v", left)
	}
}

// needWatch skips the test where a user can not note what is written to memory, and
// says why.
func needWatch(t *testing.T, uid int) {
	t.Helper()
	dir := workDir(t, uid)
	p := startLoop(t, dir, uid)
	defer p.kill()
	p.save(uid, "--incremental")
	if r := ckpt(t, dir, uid, "save", "--incremental", itoa(p.pid())); !strings.Contains(r.stdout, "on top of") {
		t.Skip(r.stdout)
	}
}

// sameImages compares the memory of myckpt with that of whole, which was made while the
// process stood still: all but the stack, where what is below the stack pointer is
// nobody's, and the page where the kernel notes the processor (rseq(2)).
func sameImages(t *testing.T, dir string, uid int) {
	t.Helper()
	r := ckpt(t, dir, uid, "diff", "--json", "myckpt", "whole")
	r.want(t, exitOK)
	var diff struct {
		Processes []struct {
			Areas []struct {
				Name               string
				Changed, New, Gone int
			}
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &diff); err != nil || len(diff.Processes) != 1 {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	for _, a := range diff.Processes[0].Areas {
		if rseq := a.Name == "" && a.Changed == 4096; a.New+a.Gone > 0 || a.Name != "[stack]" && !rseq {
			t.Fatalf("they differ: %+v", a)
		}
	}
}
