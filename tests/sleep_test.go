package tests

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestHandlerInSleep saves a program in a handler that has interrupted the rest
// of a sleep: the way back from the handler leads into what the first restore
// left in memory, which must be there in every later generation, and go away
// when the sleep has ended.
func TestHandlerInSleep(t *testing.T) {
	t.Parallel()
	all, err := probes()
	if err != nil {
		t.Fatal(err)
	}
	var r *probeRun
	for _, p := range all {
		if p.name == "call_nanosleep_handler" {
			r = startProbe(t, p, os.Geteuid())
		}
	}
	says := func(what string) {
		t.Helper()
		eventually(t, what+" in the output; "+r.describe(), func() bool {
			return r.ended() || strings.Contains(text(r.dir, "out"), what+"\n")
		})
	}
	first := r.portrait(t)
	generation := 0
	next := func() (left []string) {
		t.Helper()
		generation++
		r.save("--then", "kill")
		r.wait()
		r.restore("ckpt")
		eventually(t, "the restored program asleep; "+r.describe(), func() bool {
			return r.ended() || r.state() == "S" && r.process.syscall() >= 0
		})
		if r.ended() {
			t.Fatalf("generation %d ended with status %d\n%s", generation, r.wait(), text(r.dir, "out"))
		}
		return compare(t, generation, first, r.portrait(t))
	}
	one := next()
	again := next() // the stub of the first is seen through
	if gone, added := difference(one, again); len(gone)+len(added) > 0 {
		t.Errorf("left after the second restore: %q, after the first: %q", again, one)
	}

	r.in = -1
	if err := syscall.Kill(r.pid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	says("handling")
	inHandler := next()
	if len(inHandler) != 2*len(one) {
		t.Errorf("left in the handler: %q", inHandler)
	}
	more := next()
	if gone, added := difference(inHandler, more); len(gone)+len(added) > 0 {
		t.Errorf("left in the handler, one generation later: %q, before: %q", more, inHandler)
	}

	stay := filepath.Join(r.dir, "stay")
	writeFile(t, r.dir, "stay", "")
	r.writeGo()
	says("awake")
	if after := next(); len(after) != len(one) {
		t.Errorf("left after the sleep: %q, after the first restore: %q", after, one)
	}
	if err := os.Remove(stay); err != nil {
		t.Fatal(err)
	}
	r.wake = ""
	r.finish()
}
