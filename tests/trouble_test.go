package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

// TestNoProcess: what cannot be saved at all, and why.
func TestNoProcess(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	gone := start(t, command{argv: []string{"true"}, dir: dir, uid: os.Geteuid()})
	gone.wait()
	ckpt(t, dir, os.Geteuid(), "save", itoa(gone.pid())).want(t, exitNotFound, itoa(gone.pid()))
	ckpt(t, dir, os.Geteuid(), "check", itoa(gone.pid())).want(t, exitNotFound, itoa(gone.pid()))
	for _, word := range []string{"0", "-1", "x", "99999999999999999999"} {
		ckpt(t, dir, os.Geteuid(), "save", "--", word).want(t, exitUsage, word)
	}
	ckpt(t, dir, os.Geteuid(), "save").want(t, exitUsage)
	onlyFiles(t, dir)
}

// TestZombie: a zombie is named as one.
func TestZombie(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	p := startFault(t, dir, os.Geteuid(), "zombie")
	var child int
	eventually(t, "the zombie", func() bool {
		fields := strings.Fields(string(p.proc(fmt.Sprintf("task/%d/children", p.pid()))))
		if len(fields) != 1 {
			return false
		}
		child, _ = strconv.Atoi(fields[0])
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		return bytes.Contains(stat, []byte(") Z "))
	})
	for _, command := range []string{"save", "check"} {
		if r := ckpt(t, dir, os.Geteuid(), command, itoa(child)); r.code != exitUnsupported && r.code != exitError && r.code != exitNotFound {
			t.Errorf("%s of a zombie: status %d: %s", command, r.code, r.stderr)
		} else if !strings.Contains(r.stdout+r.stderr, "zombie") {
			t.Errorf("%s of a zombie does not say so: %s", command, r.stderr)
		}
	}
	onlyFiles(t, dir)
}

// TestKernelThread: a kernel thread is named as one.
func TestKernelThread(t *testing.T) {
	t.Parallel()
	if comm, err := os.ReadFile("/proc/2/comm"); err != nil || string(comm) != "kthreadd\n" {
		t.Skip("no kernel thread to be seen")
	}
	dir := workDir(t, os.Geteuid())
	r := ckpt(t, dir, os.Geteuid(), "save", "2")
	if r.code == exitOK || !strings.Contains(r.stderr, "kernel thread") {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	onlyFiles(t, dir)
}

// TestForeignProcess: another user's process is refused for lack of permission.
func TestForeignProcess(t *testing.T) {
	t.Parallel()
	needRoot(t)
	p := startFault(t, workDir(t, 0), 0, "nothing")
	dir := workDir(t, nobody)
	r := ckpt(t, dir, nobody, "save", itoa(p.pid()))
	if r.code != exitError && r.code != exitUnsupported || !strings.Contains(r.stderr, itoa(p.pid())) {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	p.mustRun()
	onlyFiles(t, dir)
}

// TestTracedProcess: a process that is being debugged is refused, the tracer is
// named, and it goes on tracing.
func TestTracedProcess(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	p := startFault(t, dir, os.Geteuid(), "nothing")
	strace := start(t, command{
		argv: []string{"strace", "-o", "/dev/null", "-p", itoa(p.pid())}, dir: dir, uid: os.Geteuid(), prefix: "strace.",
	})
	eventually(t, "strace attached", func() bool {
		return strings.Contains(string(p.proc("status")), fmt.Sprintf("TracerPid:\t%d\n", strace.pid()))
	})
	r := ckpt(t, dir, os.Geteuid(), "save", itoa(p.pid()))
	if r.code != exitError && r.code != exitUnsupported {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	for _, word := range []string{"traced", "strace", itoa(strace.pid())} {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("%q is not in the message: %s", word, r.stderr)
		}
	}
	if strace.ended() {
		t.Error("strace was disturbed")
	}
	p.mustRun()
	onlyFiles(t, dir, "strace.out", "strace.err")
}

// TestReadOnlyDirectory: a save to a directory that cannot be written fails
// before the program is touched; so does one to a directory that is not there.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	uid := os.Geteuid()
	if uid == 0 {
		uid = nobody // root may write everywhere
	}
	dir := workDir(t, uid)
	p := startFault(t, dir, uid, "nothing")
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	r := ckpt(t, dir, uid, "save", itoa(p.pid()))
	if r.code != exitError && r.code != exitNoSpace || !strings.Contains(r.stderr, "myckpt") {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	r = ckpt(t, dir, uid, "save", "-o", "/nowhere/image", itoa(p.pid()))
	if r.code == exitOK || !strings.Contains(r.stderr, "/nowhere") {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	p.mustRun()
	onlyFiles(t, dir)
}

// TestSignalUnwritableDirectory: kill -12 in a directory that cannot be written
// leaves its reason in CKPT_LOG, and the program runs on.
func TestSignalUnwritableDirectory(t *testing.T) {
	t.Parallel()
	uid := os.Geteuid()
	if uid == 0 {
		uid = nobody
	}
	dir, logs := workDir(t, uid), workDir(t, uid)
	log := filepath.Join(logs, "log")
	p := start(t, command{
		argv: []string{target(t, "counter"), "100000"}, dir: dir, uid: uid,
		env: []string{"LD_PRELOAD=" + binary(t, "libckpt.so"), "CKPT_LOG=" + log},
	})
	p.awaitOutput("\n3 ")
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.pid(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a message in CKPT_LOG", func() bool { return strings.Contains(text(logs, "log"), "myckpt") })
	if message := text(logs, "log"); !strings.Contains(message, "permission denied") {
		t.Errorf("the reason is not in CKPT_LOG: %q", message)
	}
	before := len(text(dir, "out"))
	eventually(t, "the program counting on", func() bool { return len(text(dir, "out")) > before })
	if message := text(dir, "err"); message != "" {
		t.Errorf("written to the program's standard error, which is no terminal: %q", message)
	}
	onlyFiles(t, dir)
}

// TestFullDisk: a save to a full file system fails with its own exit code, the
// older image stays, no temporary file does, the program runs on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := workDir(t, 0)
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("no tmpfs can be mounted: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	image := filepath.Join(disk, "myckpt")
	writeFile(t, disk, "myckpt", "an older image")
	p := start(t, command{argv: []string{target(t, "counter"), "100000"}, dir: dir, uid: 0})
	p.awaitOutput("\n3 ")
	for _, how := range [][]string{{"run", "none"}, {"stop", "none"}, {"kill", "none"}, {"run", "zstd"}, {"kill", "zstd:3"}} {
		ckpt(t, dir, 0, "save", "-o", image, "--then", how[0], "--compress", how[1], itoa(p.pid())).want(t, exitNoSpace, image, "no space left")
		p.mustRun()
		if got := text(disk, "myckpt"); got != "an older image" {
			t.Fatalf("the older image is lost, there is %d bytes %.20q", len(got), got)
		}
		onlyFiles(t, disk, "myckpt")
	}
}

// TestDyingProcess: a process that is killed at any moment of its save gives an
// error or an image, never half a one, and no save hangs.
func TestDyingProcess(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	saved := 0
	for i := range 25 {
		p := start(t, command{argv: []string{target(t, "counter"), "100000"}, dir: dir, uid: os.Geteuid()})
		p.awaitOutput("2 ")
		timer := time.AfterFunc(time.Duration(i)*400*time.Microsecond, func() { _ = p.cmd.Process.Kill() })
		r := ckpt(t, dir, os.Geteuid(), "save", itoa(p.pid()))
		timer.Stop()
		p.kill()
		switch r.code {
		case exitOK:
			saved++
			ckpt(t, dir, os.Geteuid(), "verify", "myckpt").want(t, exitOK)
		case exitError, exitNotFound, exitUnsupported: // the last for a zombie
			if !strings.Contains(r.stderr, itoa(p.pid())) {
				t.Errorf("the message does not name the process: %s", r.stderr)
			}
		default:
			t.Errorf("status %d: %s", r.code, r.stderr)
		}
		onlyFiles(t, dir, "myckpt")
	}
	t.Logf("%d of 25 were saved before they died", saved)
}

// TestThen: run, stop and kill do what they say.
func TestThen(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	p := startFault(t, dir, os.Geteuid(), "nothing")
	p.save(os.Geteuid(), "--then", "run")
	p.mustRun()
	p.save(os.Geteuid(), "--then", "stop")
	eventually(t, "the program stopped", func() bool { return p.state() == "T" })
	if err := syscall.Kill(p.pid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the program going on", func() bool { return p.state() == "S" })
	p.save(os.Geteuid(), "--then", "kill")
	if code := p.wait(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("status %d", code)
	}
	ckpt(t, dir, os.Geteuid(), "save", "--then", "dance", itoa(os.Getpid())).want(t, exitUsage, "dance")
}

// TestStoppedProcess: a stopped process is saved as one, stays stopped, and is
// stopped again when it is restored.
func TestStoppedProcess(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	p := startFault(t, dir, os.Geteuid(), "nothing")
	if err := syscall.Kill(p.pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the program stopped", func() bool { return p.state() == "T" })
	p.save(os.Geteuid())
	if s := p.state(); s != "T" {
		t.Errorf("state %s after the save", s)
	}
	p.kill()
	p = restore(t, "ckpt", dir, os.Geteuid(), "fault")
	eventually(t, "the restored program stopped", func() bool { return p.ended() || p.state() == "T" })
	if err := syscall.Kill(p.pid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the program going on", func() bool { return p.state() == "S" })
}

// longNap has the counter sleep for an hour, in nanoseconds: seen asleep once, it is asleep
// in the image too, however long the save takes to begin.
const longNap = "3600000000000"

// TestGdbOpensImage: gdb shows the very same variables and backtrace from the
// image as from the running program; readelf and elfutils have no complaint.
func TestGdbOpensImage(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	program := target(t, "counter")
	p := start(t, command{argv: []string{program, "100000", longNap}, dir: dir, uid: os.Geteuid()})
	p.awaitOutput("1 ")
	eventually(t, "the program asleep", func() bool { return p.syscall() == unix.SYS_CLOCK_NANOSLEEP })
	p.save(os.Geteuid())
	image := filepath.Join(dir, "myckpt")
	out, err := exec.Command("gdb", "-nx", "-batch", "-ex", "bt", "-ex", "up 9", "-ex", "info locals", "-ex", "p memory[0]", program, image).CombinedOutput()
	for _, want := range []string{"nanosleep (", "in main (", "counter.c:", "step = ", "state = ", "$1 = "} {
		if err != nil || !bytes.Contains(out, []byte(want)) {
			t.Errorf("gdb: %v, no %q\n%s", err, want, out)
		}
	}
	for _, argv := range [][]string{
		{"readelf", "-a", "-W", image},
		{"eu-readelf", "-a", image},
		{"eu-stack", "--core=" + image, "-e", program},
	} {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil || bytes.Contains(bytes.ToLower(out), []byte("warning")) {
			t.Errorf("%s: %v\n%.3000s", argv[0], err, out)
		}
		if argv[0] == "eu-stack" && !bytes.Contains(out, []byte(" main")) {
			t.Errorf("eu-stack shows no main:\n%s", out)
		}
	}
}

// TestGdbThroughHandler: the image of a program that saves itself shows the library's
// handler and, behind it, where the program was.
func TestGdbThroughHandler(t *testing.T) {
	t.Parallel()
	dir := workDir(t, os.Geteuid())
	program := target(t, "raises")
	p := start(t, command{argv: []string{program}, dir: dir, uid: os.Geteuid(), env: withLibrary(t)})
	if code := p.wait(); code != 0 {
		t.Errorf("status %d", code)
	}
	image := filepath.Join(dir, "myckpt")
	for want, argv := range map[string][]string{
		`(?s)ckpt_handler.*<signal handler called>.* main \(.*raises\.c:`: {"gdb", "-nx", "-batch", "-ex", "bt", program, image},
		`(?s)ckpt_handler.*__restore_rt.* main\b`:                         {"eu-stack", "--core=" + image, "-e", program},
	} {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil || !regexp.MustCompile(want).Match(out) {
			t.Errorf("%s: %v\n%s", argv[0], err, out)
		}
	}
}
