package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestEngineKilled kills the engine with SIGKILL at every single ptrace request
// of a save. Each time the program runs on correctly, the older image is there
// or a whole new one, and in the end nothing is left over: no temporary file
// after the next save, no mapping, descriptor or child in the program.
func TestEngineKilled(t *testing.T) {
	t.Parallel()
	for _, of := range [][]string{
		{"counter", "run"}, {"counter", "stop"}, {"counter-static", "run"}, {"fault", "run"},
		{"threaded", "run"}, {"counter_large", "run"}, {"counter", "run", "--compress", "zstd"},
	} {
		t.Run(of[0]+" then "+strings.Join(of[1:], " "), func(t *testing.T) {
			t.Parallel()
			killEngine(t, of[0], of[1], of[2:]...)
		})
	}
}

func killEngine(t *testing.T, name, then string, args ...string) {
	t.Helper()
	dir := workDir(t, os.Geteuid())
	p := startVictim(t, dir, name)
	victim := &probeRun{process: p, probe: targetProbe(name)}
	p.save(os.Geteuid())
	before := victim.portrait(t)
	image := mustRead(t, dir, "myckpt")
	kill := 1
	for ; ; kill++ {
		cmd := exec.Command(binary(t, "ckpt"), append([]string{"save", "--then", then, itoa(p.pid())}, args...)...)
		cmd.Dir = dir
		said, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = said
		requests, err := runUntilPtrace(cmd, kill)
		said.Close()
		if err != nil {
			text, _ := os.ReadFile(said.Name())
			t.Fatalf("engine to be killed at request %d: %v\n%s", kill, err, text)
		}
		if then == "stop" {
			_ = p.cmd.Process.Signal(syscall.SIGCONT)
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
	after := victim.portrait(t)
	compare(t, 1, before, after)
	if gone, added := difference(before.maps, after.maps); len(gone)+len(added) > 0 {
		t.Errorf("areas gone: %q, added: %q", gone, added)
	}
	if strings.HasPrefix(name, "counter") {
		checkCount(t, p)
	}
}

func startVictim(t *testing.T, dir, name string) *process {
	t.Helper()
	if name == "fault" {
		return startFault(t, dir, os.Geteuid(), "nothing")
	}
	p := start(t, command{argv: []string{target(t, name), "1000000"}, dir: dir, uid: os.Geteuid()})
	p.awaitOutput("\n3 ")
	return p
}

// progress waits until a program that counts has counted on, and one that
// waits is seen to wait.
func progress(t *testing.T, p *process, when string) {
	t.Helper()
	lines := strings.Count(text(p.dir, "out"), "\n")
	eventually(t, "the program going on when "+when+"; "+p.describe(), func() bool {
		if p.ended() {
			t.Fatalf("the program ended with status %d when %s\n%s", p.wait(), when, text(p.dir, "err"))
		}
		if strings.HasPrefix(filepath.Base(p.cmd.Path), "fault") {
			return p.state() == "S"
		}
		return strings.Count(text(p.dir, "out"), "\n") > lines
	})
}

// checkImage checks that the image is the same as before or a whole new one.
func checkImage(t *testing.T, dir string, before []byte) []byte {
	t.Helper()
	now := mustRead(t, dir, "myckpt")
	if !bytes.Equal(now, before) {
		ckpt(t, dir, os.Geteuid(), "verify", "myckpt").want(t, exitOK)
	}
	return now
}

// checkCount ends a program that counts and compares what it has written with
// an undisturbed run of so many steps.
func checkCount(t *testing.T, p *process) {
	t.Helper()
	p.kill()
	got := text(p.dir, "out")
	got = got[:strings.LastIndex(got, "\n")+1]
	steps := strings.Count(got, "\n")
	dir := workDir(t, os.Geteuid())
	straight := start(t, command{argv: []string{p.cmd.Path, itoa(steps), "1"}, dir: dir, uid: os.Geteuid()})
	if code := straight.wait(); code != 0 {
		t.Fatalf("straight run: status %d", code)
	}
	if want := text(dir, "out"); got != want {
		t.Errorf("what it counted in %d steps is not what an undisturbed run counts", steps)
	}
}

func mustRead(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
