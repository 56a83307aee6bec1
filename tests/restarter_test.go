package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// restarted starts the target "restarted", saves and kills it.
func restarted(t *testing.T, args ...string) *probeRun {
	t.Helper()
	p := targetProbe("restarted")
	if len(args) > 0 {
		p.words = map[string]string{"args": strings.Join(args, ",")}
	}
	r := startProbe(t, p, os.Geteuid())
	r.save("--then", "kill")
	r.wait()
	return r
}

// shell is a command that executes the rest of its arguments when the shell has
// done something first.
func shell(first string) []string { return []string{"sh", "-c", first + ` && exec "$@"`, "sh"} }

// TestRestarterSignals: what was pending where the restart was started, and the
// timers that run there, are not the program's.
func TestRestarterSignals(t *testing.T) {
	t.Parallel()
	r := restarted(t)
	r.restoreOn([]string{target(t, "pending")}, "ckpt")
	r.finish()
}

// TestRestarterDescriptors: the program has its own descriptors and none of
// those that were open where the restart was started.
func TestRestarterDescriptors(t *testing.T) {
	t.Parallel()
	p := targetProbe("restarted")
	r := startProbe(t, p, os.Geteuid())
	before := r.descriptors(t)
	r.save("--then", "kill")
	r.wait()
	r.restoreOn([]string{"bash", "-c", `for i in 3 5 9 47 48 49 63 64 100 900; do eval "exec $i</dev/null"; done; exec "$@"`, "bash"}, "ckpt")
	eventually(t, "the restored program asleep", func() bool { return r.ended() || r.state() == "S" })
	if after := r.descriptors(t); !slices.Equal(before, after) {
		t.Errorf("%q, had %q", after, before)
	}
	r.finish()
}

// TestRestarterAmbient: the program gets none of the capabilities that whoever
// restarts it hands on to programs.
func TestRestarterAmbient(t *testing.T) {
	t.Parallel()
	needRoot(t)
	p := targetProbe("restarted")
	r := startProbe(t, p, os.Geteuid())
	before := statusLines(string(r.proc("status")))
	r.save("--then", "kill")
	r.wait()
	r.restoreOn([]string{"setpriv", "--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"}, "ckpt")
	eventually(t, "the restored program asleep", func() bool { return r.ended() || r.state() == "S" })
	if after := statusLines(string(r.proc("status"))); !slices.Equal(before, after) {
		t.Errorf("%q, had %q", after, before)
	}
	r.finish()
}

// TestRestarterClosed: a restart without 0, 1 and 2.
func TestRestarterClosed(t *testing.T) {
	t.Parallel()
	r := restarted(t)
	r.restoreOn(shell("exec <&- >&- 2>&-"), "ckpt")
	r.finish()
}

// TestRestarterLimits: a low limit of open files is enough for a program with
// few of them, and said.
func TestRestarterLimits(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{24, 64} {
		r := restarted(t)
		r.restoreOn(shell(fmt.Sprint("ulimit -n ", limit)), "ckpt")
		r.finish()
		// A privileged restart raises it.
		if s := text(r.dir, "restore.err"); s != "" && !strings.Contains(s, "open files") {
			t.Errorf("limit %d: %s", limit, s)
		}
	}
}

// TestRestarterLimitTooLow: a descriptor above the limit is named before the
// program begins.
func TestRestarterLimitTooLow(t *testing.T) {
	t.Parallel()
	r := restarted(t, "high")
	// Nobody raises a limit without the capability.
	drop := []string{}
	if isRoot() {
		drop = []string{"setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"}
	}
	r.restoreOn(slices.Concat(drop, shell("ulimit -n 64")), "ckpt")
	if code := r.wait(); code != exitRestore {
		t.Errorf("status %d", code)
	}
	if s := text(r.dir, "restore.err"); !strings.Contains(s, "descriptor 900") || !strings.Contains(s, "ulimit -n") {
		t.Errorf("message: %s", s)
	}
}

// TestRestoreLargeArea: neighbouring areas that are together larger than the
// machine's memory come back, though the kernel would not give them at once.
func TestRestoreLargeArea(t *testing.T) {
	t.Parallel()
	if b, err := os.ReadFile("/proc/sys/vm/overcommit_memory"); err != nil || string(b) != "0\n" {
		t.Skip("this host has another rule for memory than most")
	}
	r := restarted(t, "large")
	r.restore("ckpt")
	r.finish()
}

// TestRestarterWithoutSysctl: /proc/sys is hidden in some containers.
func TestRestarterWithoutSysctl(t *testing.T) {
	t.Parallel()
	needRoot(t)
	r := restarted(t)
	r.restoreOn(slices.Concat([]string{"unshare", "--mount"}, shell("mount -t tmpfs none /proc/sys")), "ckpt")
	r.finish()
}

// TestRestarterNoMemfd: where files in memory may not be executed.
func TestRestarterNoMemfd(t *testing.T) {
	t.Parallel()
	needRoot(t)
	r := restarted(t)
	r.restoreOn(slices.Concat([]string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"},
		shell("echo 2 > /proc/sys/vm/memfd_noexec")), "ckpt")
	r.finish()
}

// TestRestarterOtherProc: in a pid namespace of its own that has the /proc of
// another one.
func TestRestarterOtherProc(t *testing.T) {
	t.Parallel()
	needRoot(t)
	r := restarted(t)
	writeFile(t, r.dir, "go", "0 1\n")
	p := start(t, command{
		argv: []string{"unshare", "--pid", "--fork", "--kill-child", binary(t, "ckpt"), "restore", filepath.Join(r.dir, "myckpt")},
		dir:  r.dir, uid: 0, prefix: "restore.",
	})
	if code := p.wait(); code != 0 || !strings.HasSuffix(text(r.dir, "out"), "ok\n") {
		t.Errorf("status %d\n%s%s", code, text(r.dir, "out"), text(r.dir, "restore.err"))
	}
}
