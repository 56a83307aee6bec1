package tests

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inDir changes a command's working directory to another than that of its
// output files.
func inDir(dir string) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) { cmd.Dir = dir }
}

// probeRun is a probe that is running, first as it was started and then as it
// was restored.
type probeRun struct {
	*process
	probe *probe
	uid   int
	name  string // its comm when it was ready

	// What its "ready" line says, see probe.h.
	in     int // system call it blocks in; -1: none
	after  time.Duration
	wake   string
	status int

	saves    int
	downtime time.Duration
	goneAt   time.Time // when the last save began
}

// startProbe starts the probe in a directory of its own and waits until it is
// ready to be saved.
func startProbe(t *testing.T, p *probe, uid int, env ...string) *probeRun {
	t.Helper()
	return startProbeOn(t, nil, p, uid, env...)
}

// startProbeOn starts the probe by way of another command, which executes the
// rest of its arguments.
func startProbeOn(t *testing.T, by []string, p *probe, uid int, env ...string) *probeRun {
	t.Helper()
	if p.has("root") && uid != 0 {
		t.Skip("only root can do this")
	}
	if value, ok := p.words["env"]; ok {
		env = append(env, value)
	}
	r := &probeRun{probe: p, uid: uid, in: -1}
	r.process = start(t, command{
		argv: slices.Concat(by, []string{p.build(t)}, p.args()),
		dir:  workDir(t, uid), uid: uid, env: env,
	})
	r.awaitReady()
	return r
}

// awaitReady waits for the line "ready", understands it, and waits until the
// probe is in the system call that it announces.
func (r *probeRun) awaitReady() {
	t := r.t
	t.Helper()
	var words []string
	eventually(t, "the line ready of "+r.probe.String(), func() bool {
		ended := r.ended()
		for line := range strings.Lines(text(r.dir, "out")) {
			line, whole := strings.CutSuffix(line, "\n")
			if reason, ok := strings.CutPrefix(line, "skip "); ok && whole {
				t.Skip(reason)
			}
			if i := strings.Index(line, "ready"); i >= 0 && whole {
				words = strings.Fields(line[i:])[1:]
				return true
			}
		}
		if ended {
			t.Fatalf("%s ended with status %d before it was ready\n%s%s", r.probe, r.wait(), text(r.dir, "out"), text(r.dir, "err"))
		}
		return false
	})
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		n, err := strconv.Atoi(value)
		switch {
		case key == "wake":
			r.wake, err = value, nil
		case key == "in":
			r.in = n
		case key == "ms":
			r.after = time.Duration(n) * time.Millisecond
		case key == "exit":
			r.status = n
		default:
			t.Fatalf("%s: unknown word %q", r.probe, word)
		}
		if err != nil {
			t.Fatalf("%s: %q: %v", r.probe, word, err)
		}
	}
	r.name = r.comm()
	r.awaitCall()
	time.Sleep(r.after)
}

// awaitCall waits until the probe blocks in the call it announced.
func (r *probeRun) awaitCall() {
	r.t.Helper()
	if r.in < 0 {
		return
	}
	eventually(r.t, fmt.Sprintf("%s in system call %d; %s", r.probe, r.in, r.describe()), func() bool {
		// A poll or nanosleep that was interrupted and goes on is shown as
		// restart_syscall(2).
		call := r.process.syscall()
		return r.ended() || call == r.in || call == unix.SYS_RESTART_SYSCALL
	})
}

// save saves the probe in the way the arguments say.
func (r *probeRun) save(args ...string) {
	r.t.Helper()
	r.goneAt = time.Now()
	r.process.save(r.uid, args...)
	r.saves++
}

// saveAndKill saves the probe in a way that leaves nothing of it.
func (r *probeRun) saveAndKill(args ...string) {
	r.t.Helper()
	members := r.family()
	r.save(append(args, "--then", "kill")...)
	if code := r.wait(); code != 128+int(syscall.SIGKILL) {
		r.t.Fatalf("the saved program ended with %d, want it killed", code)
	}
	r.buryFamily(members)
}

// restore restores the probe, whose process is dead and reaped.
func (r *probeRun) restore(tool string) {
	r.t.Helper()
	r.restoreOn(nil, tool)
}

// restoreOn restores the probe by way of another command.
func (r *probeRun) restoreOn(by []string, tool string) {
	r.t.Helper()
	r.process = restoreOn(r.t, by, tool, r.dir, r.uid, r.name)
	if r.wake != "" {
		r.awaitCall()
	} // else the call may be over
	r.downtime += time.Since(r.goneAt)
}

// finish tells the probe to go on and checks that it finds nothing different.
func (r *probeRun) finish() {
	t := r.t
	t.Helper()
	r.writeGo()
	if r.wake != "" {
		// A handler's signal that comes while the library's handler still runs
		// would be over before the call is entered again.
		r.awaitCall()
	}
	r.wakeUp()
	code := r.wait()
	out := text(r.dir, "out")
	if code == r.status && strings.HasSuffix(out, "ok\n") && !strings.Contains(out, "FAIL") {
		return
	}
	t.Errorf("%s: status %d, want %d\n%s", r.probe, code, r.status, out)
	for _, name := range []string{"err", "restore.out", "restore.err"} {
		if s := text(r.dir, name); s != "" {
			t.Logf("%s:\n%s", name, s)
		}
	}
}

// writeGo writes the file "go": it becomes visible when it is whole.
func (r *probeRun) writeGo() {
	ms := int(math.Ceil(r.downtime.Seconds() * 1000))
	temp := filepath.Join(r.dir, "go.tmp")
	if err := os.WriteFile(temp, fmt.Appendf(nil, "%d %d\n", ms, r.saves), 0o644); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(temp, filepath.Join(r.dir, "go")); err != nil {
		r.t.Fatal(err)
	}
}

// wakeUp wakes the probe in the way it asked for.
func (r *probeRun) wakeUp() {
	how, what, _ := strings.Cut(r.wake, ":")
	switch how {
	case "":
	case "sig":
		n, _ := strconv.Atoi(what)
		_ = syscall.Kill(r.pid(), syscall.Signal(n))
	case "fd":
		f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%s", r.pid(), what), os.O_WRONLY, 0)
		if err != nil {
			r.t.Errorf("wake %s: %v", r.probe, err)
			return
		}
		defer f.Close()
		if _, err := f.Write([]byte{1}); err != nil {
			r.t.Errorf("wake %s: %v", r.probe, err)
		}
	case "poke":
		address, err := strconv.ParseInt(what, 0, 64)
		if err != nil {
			r.t.Fatalf("%s: %v", r.probe, err)
		}
		if err := poke(r.pid(), address, []byte{1}); err != nil && !r.ended() {
			r.t.Errorf("wake %s: %v", r.probe, err)
		}
	default:
		r.t.Fatalf("%s: unknown wake %q", r.probe, r.wake)
	}
}

// poke writes bytes to the memory of a process.
func poke(pid int, address int64, b []byte) error {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(b, address)
	return err
}
