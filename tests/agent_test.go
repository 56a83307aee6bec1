package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ckpt/internal/image"
)

// slowDisk is the directory of a libckpt.so with an engine that is stopped when its image is on
// the disk but has not got its name yet, if there is a file "slow".
func slowDisk(t *testing.T) (dir string) {
	t.Helper()
	needRoot(t) // Yama
	dir = workDir(t, os.Geteuid())
	if err := copyFile(filepath.Join(dir, "libckpt.so"), binary(t, "libckpt.so")); err != nil {
		t.Fatal(err)
	}
	// strace is an orphan, so no child of the program, and not in its group, which
	// the tests kill.
	script := fmt.Sprintf(`#!/bin/sh
if [ -e slow ]; then
  (setsid strace -f -o %[2]s/trace -e trace=fdatasync -e inject=fdatasync:signal=SIGSTOP -p $$ &)
  until grep -q 'TracerPid:.*[1-9]' /proc/$$/status; do sleep 0.01; done
fi
exec %[1]s "$@"
`, binary(t, "ckpt"), dir)
	if err := os.WriteFile(filepath.Join(dir, "ckpt"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// slowProgram is a program that counts, with such a library.
type slowProgram struct {
	*process
	library string // its directory
}

func startSlow(t *testing.T) slowProgram {
	t.Helper()
	dir := slowDisk(t)
	p := start(t, command{
		argv: []string{target(t, "counter"), "1000000"}, dir: workDir(t, os.Geteuid()), uid: os.Geteuid(),
		env: []string{"LD_PRELOAD=" + filepath.Join(dir, "libckpt.so"), "CKPT_LOG=" + agentLog},
	})
	p.awaitOutput("\n3 ")
	return slowProgram{p, dir}
}

// stoppedEngine asks for a save and waits until its engine is stopped.
func (p slowProgram) stoppedEngine() (pid int) {
	t := p.t
	t.Helper()
	trace := filepath.Join(p.library, "trace")
	_ = os.Remove(trace) // of an earlier engine
	writeFile(t, p.dir, "slow", "")
	p.signal(syscall.SIGUSR2)
	eventually(t, "a stopped engine; "+p.describe(), func() bool {
		return strings.Contains(text(p.library, "trace"), "--- stopped by SIGSTOP")
	})
	if pid = engineOf(p.pid()); pid == 0 {
		t.Fatal("there is no engine")
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	if err := os.Remove(filepath.Join(p.dir, "slow")); err != nil {
		t.Fatal(err)
	}
	return pid
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(p.pid(), sig); err != nil {
		p.t.Fatal(err)
	}
}

func procFile(pid int, name string) []byte {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	return data
}

// engineOf finds the engine that saves process pid by signal; 0 is none.
func engineOf(pid int) int {
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		n, _ := strconv.Atoi(filepath.Base(name))
		args := procFile(n, "cmdline")
		if bytes.HasSuffix(args, fmt.Appendf(nil, "/ckpt\x00agent-save\x00%d\x00", pid)) && !bytes.HasPrefix(args, []byte("/bin/sh")) {
			return n
		}
	}
	return 0
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// created is when the program in dir/myckpt was saved.
func created(t *testing.T, dir string) time.Time {
	t.Helper()
	im, err := image.Open(filepath.Join(dir, "myckpt"))
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	return im.Manifest().Created
}

// TestProgramNeedNotWait: after kill -12 the program goes on while its image is
// still on the way to the disk. A second save waits for the first, so that the
// later image wins.
func TestProgramNeedNotWait(t *testing.T) {
	t.Parallel()
	p := startSlow(t)
	engine := p.stoppedEngine()
	progress(t, p.process, "its image is not on the disk yet")
	if exists(p.dir, "myckpt") || !exists(p.dir, ".myckpt.tmp") {
		t.Error("the image has its name already")
	}
	// What the terminal sends to the program's group is not for the engine.
	if group, err := unix.Getpgid(engine); err != nil || group != engine {
		t.Errorf("the engine is in group %d, %v", group, err)
	}

	second := time.Now()
	p.signal(syscall.SIGUSR2)
	eventually(t, "a second engine; "+p.describe(), func() bool {
		return strings.Count(string(p.proc("task/"+itoa(p.pid())+"/children")), " ") == 1
	})
	progress(t, p.process, "another save of it waits for its turn")
	time.Sleep(100 * time.Millisecond) // it could overtake the first here
	if exists(p.dir, "myckpt") {
		t.Error("the second image is there before the first")
	}
	if err := syscall.Kill(engine, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of both; "+text(p.dir, agentLog), func() bool {
		return engineOf(p.pid()) == 0 && exists(p.dir, "myckpt") && !exists(p.dir, ".myckpt.tmp")
	})
	if at := created(t, p.dir); at.Before(second) {
		t.Errorf("the image in the end is of %v, the second signal was at %v", at, second)
	}
	progress(t, p.process, "it was saved twice")
	onlyFiles(t, p.dir, "myckpt")
	checkCount(t, p.process)
}

// TestKilledAtOnce: kill -12; kill -9. The image is finished all the same, and
// if the engine is killed, too, then the older one is left.
func TestKilledAtOnce(t *testing.T) {
	t.Parallel()
	p := startSlow(t)
	p.saveBySignal()
	old := mustRead(t, p.dir, "myckpt")

	engine := p.stoppedEngine()
	if err := syscall.Kill(engine, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the engine", func() bool { return engineOf(p.pid()) == 0 })
	if !bytes.Equal(mustRead(t, p.dir, "myckpt"), old) {
		t.Error("an engine that was killed has changed the image")
	}
	progress(t, p.process, "its engine was killed")

	engine = p.stoppedEngine()
	p.kill()
	if !bytes.Equal(mustRead(t, p.dir, "myckpt"), old) {
		t.Error("the image has changed already")
	}
	if err := syscall.Kill(engine, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new image", func() bool { return !exists(p.dir, ".myckpt.tmp") })
	if bytes.Equal(mustRead(t, p.dir, "myckpt"), old) {
		t.Errorf("there is no new image; the log: %s", text(p.dir, agentLog))
	}
	ckpt(t, p.dir, os.Geteuid(), "verify", "myckpt").want(t, exitOK)
	onlyFiles(t, p.dir, "myckpt")
}

// TestSubreaper: a program that orphans are given to never sees the engine.
func TestSubreaper(t *testing.T) {
	t.Parallel()
	const script = `
import ctypes, os, signal, time
told = []
signal.signal(signal.SIGCHLD, lambda *a: told.append("SIGCHLD"))
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.002)
    try:
        told.append(os.waitpid(-1, os.WNOHANG))
    except ChildProcessError:
        pass
print("told", told, flush=True)
`
	p := start(t, command{
		argv: []string{"/usr/bin/python3", "-c", script}, dir: workDir(t, os.Geteuid()), uid: os.Geteuid(), env: withLibrary(t),
	})
	p.awaitOutput("ready\n")
	for range 3 {
		p.saveBySignal()
	}
	eventually(t, "the end of the engine", func() bool { return engineOf(p.pid()) == 0 })
	writeFile(t, p.dir, "go", "")
	if code := p.wait(); code != 0 || !strings.HasSuffix(text(p.dir, "out"), "told []\n") {
		t.Errorf("status %d: %s%s", code, text(p.dir, "out"), text(p.dir, "err"))
	}
}
