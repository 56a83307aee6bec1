package tests

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// anotherBoot is a command that executes the rest of its arguments as if on a
// host that was booted some days earlier than this one: a time namespace with
// other clocks, and another boot id.
func anotherBoot(t *testing.T) []string {
	t.Helper()
	needRoot(t)
	id := "00000000-1111-4222-8333-444444444444\n"
	dir := workDir(t, 0)
	writeFile(t, dir, "boot_id", id)
	by := []string{
		"unshare", "--mount", "--time", "--monotonic=500000", "--boottime=500000",
		"sh", "-c", `mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`,
		filepath.Join(dir, "boot_id"),
	}
	if out, err := exec.Command(by[0], append(slices.Clone(by[1:]), "cat", "/proc/sys/kernel/random/boot_id")...).CombinedOutput(); err != nil || string(out) != id {
		t.Skipf("no time and mount namespaces here: %v %s", err, out)
	}
	return by
}

// clockProbes are those that know absolute times of the clocks that begin with
// the boot. Restored on another host they must neither hang for days nor fire
// at once.
var clockProbes = []string{
	"call_clock_nanosleep_absolute", "call_futex_absolute", "call_nanosleep", "tim_posix_absolute",
	"tim_posix", "tim_alarm", "fd_timerfd", "call_timerfd_read", "clk_forward", "mem_vdso",
}

// TestAnotherBoot: a program saved on a host with later clocks is restored on
// one with earlier clocks, and the other way round.
func TestAnotherBoot(t *testing.T) {
	t.Parallel()
	by := anotherBoot(t)
	all, err := probes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.variant != "pie" || !slices.Contains(clockProbes, p.name) {
			continue
		}
		t.Run(p.name+"/backward", func(t *testing.T) {
			t.Parallel()
			r := startProbeOn(t, by, p, 0)
			r.saveOn([]string{"nsenter", "--mount", "--time", "--target", itoa(r.pid())})
			r.restore("ckpt")
			r.finish()
		})
		t.Run(p.name+"/forward", func(t *testing.T) {
			t.Parallel()
			r := startProbe(t, p, 0)
			r.save("--then", "kill")
			r.wait()
			r.restoreOn(by, "ckpt")
			r.finish()
		})
	}
}

// saveOn saves and kills the probe by way of another command.
func (r *probeRun) saveOn(by []string) {
	t := r.t
	t.Helper()
	logs := workDir(t, 0)
	r.goneAt = time.Now()
	argv := append(slices.Clone(by), binary(t, "ckpt"), "save", "--then", "kill",
		"-o", filepath.Join(r.dir, "myckpt"), itoa(r.pid()))
	p := start(t, command{argv: argv, dir: logs, uid: 0})
	if code := p.wait(); code != exitOK {
		t.Fatalf("save ended with status %d\n%s", code, text(logs, "err"))
	}
	r.saves++
	r.wait()
}
