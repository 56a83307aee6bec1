package tests

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// eachProbe runs do for every probe, in parallel.
func eachProbe(t *testing.T, choose func(*probe) bool, do func(*testing.T, *probe)) {
	t.Helper()
	t.Parallel()
	all, err := probes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if choose(p) {
			t.Run(p.String(), func(t *testing.T) {
				t.Parallel()
				do(t, p)
			})
		}
	}
}

func every(*probe) bool { return true }

// TestNative runs the probes without any checkpoint: what fails here is the
// probe's fault.
func TestNative(t *testing.T) {
	eachProbe(t, every, func(t *testing.T, p *probe) {
		startProbe(t, p, os.Geteuid()).finish()
	})
}

func TestNativeUnprivileged(t *testing.T) {
	needRoot(t)
	eachProbe(t, every, func(t *testing.T, p *probe) {
		startProbe(t, p, nobody).finish()
	})
}

// TestSaveAndRunOn: a program that is saved and runs on notices nothing.
func TestSaveAndRunOn(t *testing.T) {
	eachProbe(t, every, func(t *testing.T, p *probe) {
		r := startProbe(t, p, os.Geteuid())
		r.save()
		r.finish()
	})
}

// TestCheckAndRunOn: check asks a program that has libckpt.so for its handler, and the
// program notices nothing, whatever it waits in.
func TestCheckAndRunOn(t *testing.T) {
	waits := func(p *probe) bool { return strings.Contains(p.name, "call") && p.variant != "static" }
	eachProbe(t, waits, func(t *testing.T, p *probe) {
		r := startProbe(t, p, os.Geteuid(), withLibrary(t)...)
		if c := ckpt(t, r.dir, r.uid, "check", itoa(r.pid())); c.code != exitOK && c.code != exitWarnings || !strings.Contains(c.stdout, "kill -12") {
			t.Errorf("check: status %d: %s%s", c.code, c.stdout, c.stderr)
		}
		r.finish()
	})
}

// TestSaveKillRestore: a program that was saved, killed and restored notices
// nothing but the time.
func TestSaveKillRestore(t *testing.T) {
	eachProbe(t, every, func(t *testing.T, p *probe) {
		saveKillRestore(t, p, os.Geteuid())
	})
}

func TestSaveKillRestoreUnprivileged(t *testing.T) {
	needRoot(t)
	eachProbe(t, every, func(t *testing.T, p *probe) {
		if p.has("ids") || strings.HasPrefix(p.name, "tree_") {
			needNamespaces(t)
		}
		saveKillRestore(t, p, nobody)
	})
}

// saveKillRestore saves the probe in the way the arguments say.
func saveKillRestore(t *testing.T, p *probe, uid int, args ...string) {
	r := startProbe(t, p, uid)
	r.saveAndKill(args...)
	r.restore("ckpt")
	r.finish()
}

// TestSaveTwiceKillRestore: the second save finds a waiting program in a call
// that the first one interrupted, which the kernel then knows as
// restart_syscall(2).
func TestSaveTwiceKillRestore(t *testing.T) {
	waits := func(p *probe) bool { return strings.Contains(p.name, "call") || strings.Contains(p.name, "wait") }
	eachProbe(t, waits, func(t *testing.T, p *probe) {
		r := startProbe(t, p, os.Geteuid())
		r.save()
		r.saveAndKill()
		r.restore("ckpt")
		r.finish()
	})
}

// TestSignal is the seed's contract: preload, kill -12, kill -9, myrestart.
func TestSignal(t *testing.T) {
	eachProbe(t, withAgent, func(t *testing.T, p *probe) {
		r := startProbe(t, p, os.Geteuid(), withLibrary(t)...)
		r.goneAt = time.Now()
		r.saveBySignal()
		r.saves++
		r.kill()
		r.restore("myrestart")
		r.finish()
	})
}

// TestSignalAndRunOn: the program runs on after kill -12.
func TestSignalAndRunOn(t *testing.T) {
	eachProbe(t, withAgent, func(t *testing.T, p *probe) {
		r := startProbe(t, p, os.Geteuid(), withLibrary(t)...)
		r.saveBySignal()
		r.saves++
		r.finish()
	})
}

func withAgent(p *probe) bool {
	return p.variant != "static" && !p.has("noagent") && !(p.has("inline") && !inlineCalls())
}

// inlineCalls tells whether libc makes the system calls that can be cancelled
// inline. From glibc 2.41 on one function makes them all.
var inlineCalls = sync.OnceValue(func() bool {
	out, err := exec.Command("getconf", "GNU_LIBC_VERSION").Output()
	var major, minor int
	_, serr := fmt.Sscanf(string(out), "glibc %d.%d", &major, &minor)
	return err == nil && serr == nil && major == 2 && minor < 41
})
