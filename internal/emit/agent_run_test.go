package emit

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
)

// TestAgentUnseen has programs look for children, SIGCHLD, changed errno,
// mappings and descriptors, however the engine ends.
func TestAgentUnseen(t *testing.T) {
	t.Parallel()
	unseen := agentBuild(t, "gcc", "unseen.c", "-pthread")
	for _, mode := range []string{"", "ignore", "nocldwait", "wall"} {
		for _, fake := range []string{"", "fail", "killed", "killparent"} {
			t.Run(mode+"-"+fake, func(t *testing.T) {
				t.Parallel()
				h := newAgentHouse(t)
				p := h.start(t, []string{"CKPT_FAKE=" + fake}, unseen, mode)
				if got := p.line(); got != "ok" {
					t.Errorf("says %q", got)
				}
				p.wait()
				reports := h.read(t)
				if len(reports) != 5 {
					t.Errorf("%d engines for 5 signals", len(reports))
				}
				for _, r := range reports {
					if r.Ignored != 0 {
						t.Errorf("the engine begins with signals %#x ignored", r.Ignored)
					}
				}
			})
		}
	}
}

// TestAgentModes runs the scenes of modes.c that need nobody else.
func TestAgentModes(t *testing.T) {
	t.Parallel()
	modes := agentBuild(t, "gcc", "modes.c", "-pthread")
	for _, c := range []struct {
		mode    string
		reports int
	}{{"altstack", 1}, {"blocked", 1}, {"maps", 1}, {"fork", 1}} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			h := newAgentHouse(t)
			p := h.start(t, nil, modes, c.mode)
			target := p.Process.Pid
			if c.mode == "fork" {
				target, _ = strconv.Atoi(p.line())
			}
			p.wait()
			reports := h.read(t)
			if len(reports) != c.reports || reports[0].Target != target {
				t.Errorf("reports %+v, want %d for %d", reports, c.reports, target)
			}
		})
	}
}

// TestAgentDenied lets each system call of the handler fail: the program must
// not notice.
func TestAgentDenied(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	p := h.start(t, []string{"CKPT_FAKE=orphan"}, agentBuild(t, "gcc", "modes.c", "-pthread"), "denied")
	p.wait()
	for says, want := range map[string]int{
		"ckpt: close_range is not allowed here: not saved\n":            1, // close_range
		"ckpt: no engine beside libckpt.so: cannot run \"\", \"\", \"/": 2, // open, read
		"ckpt: no engine beside libckpt.so: cannot run \"/":             1, // execve
	} {
		if got := strings.Count(p.stderr.String(), says); got != want {
			t.Errorf("says %d times %q, want %d:\n%s", got, says, want, &p.stderr)
		}
	}
	// Without wait4 nobody waits for the engine.
	until(t, "five reports", func() bool { return len(h.names(t)) == 5 })
}

// TestAgentThreads signals two threads at once. Each engine waits for the
// other, so both must run at the same time.
func TestAgentThreads(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	p := h.start(t, []string{"CKPT_FAKE=pair"}, agentBuild(t, "gcc", "modes.c", "-pthread"), "threads")
	p.wait()
	reports := h.read(t)
	if len(reports) != 2 || reports[0].Target != p.Process.Pid || reports[1].Target != p.Process.Pid ||
		reports[0].Middle == reports[1].Middle {
		t.Errorf("reports %+v", reports)
	}
}

// TestAgentRegisters bombards a program that guards its registers.
func TestAgentRegisters(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	p := h.start(t, nil, agentBuild(t, "gcc", "registers.c", "-mno-red-zone"))
	p.line()
	for n := 1; n <= 50; n++ {
		p.signal(syscall.SIGUSR2)
		p.saved(h, n)
	}
	p.signal(syscall.SIGUSR1)
	if got := p.line(); got != "ok" {
		t.Errorf("says %q", got)
	}
	p.wait()
}

// TestAgentReadRestarts signals a program that waits in read.
func TestAgentReadRestarts(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	p := h.start(t, nil, agentBuild(t, "gcc", "modes.c", "-pthread"), "read")
	p.line()
	inRead := func() bool {
		call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", p.Process.Pid))
		return err == nil && bytes.HasPrefix(call, []byte("0 0x0 "))
	}
	for n := 1; n <= 3; n++ {
		until(t, "read", inRead)
		p.signal(syscall.SIGUSR2)
		p.saved(h, n)
	}
	until(t, "read", inRead)
	if _, err := p.in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	p.wait()
}

// TestAgentBeside signals a program from outside: it runs on while the engine works,
// and in the end nothing is left of it. Its child by vfork has the same memory, but
// none of its children.
func TestAgentBeside(t *testing.T) {
	t.Parallel()
	for _, fake := range []string{"wait", "waitkill"} {
		t.Run(fake, func(t *testing.T) {
			t.Parallel()
			h := newAgentHouse(t)
			p := h.start(t, []string{"CKPT_FAKE=" + fake}, agentBuild(t, "gcc", "modes.c", "-pthread"), "talk")
			ask := func(line string) (pages, clones int) {
				t.Helper()
				if _, err := p.in.Write([]byte(line)); err != nil {
					t.Fatal(err)
				}
				if _, err := fmt.Sscan(p.line(), &pages, &clones); err != nil {
					t.Fatal(err)
				}
				return pages, clones
			}
			ask("\n") // from here on libc has what it needs
			before, _ := ask("\n")
			p.signal(syscall.SIGUSR2)
			until(t, "report", func() bool { return len(h.names(t)) == 1 })
			if pages, _ := ask("\n"); pages == before {
				t.Error("the middle child has no stack")
			}
			go func() {
				for len(h.names(t)) < 2 && t.Context().Err() == nil {
					time.Sleep(time.Millisecond)
				}
				_ = os.WriteFile(filepath.Join(h.reports, "go"), nil, 0o644)
			}()
			ask("vfork\n")
			p.saved(h, 2)
			if pages, clones := ask("\n"); pages != before || clones != 0 {
				t.Errorf("%d pages more, %d clones", pages-before, clones)
			}
			p.in.Close()
			p.wait()
			reports := h.read(t)
			if len(reports) != 2 {
				t.Errorf("%d engines for two signals", len(reports))
			}
		})
	}
}

// TestAgentStorm signals a program that starts children all the time. They
// have the library too.
func TestAgentStorm(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	p := h.start(t, nil, agentBuild(t, "gcc", "modes.c", "-pthread"), "storm")
	p.line()
	until(t, "end", func() bool {
		p.Process.Signal(syscall.SIGUSR2) // it may have ended
		time.Sleep(5 * time.Millisecond)  // engines are to be many, and the program is to go on, too
		select {
		case err := <-p.exited:
			if err != nil {
				t.Fatalf("%v\n%s", err, &p.stderr)
			}
			return true
		default:
			return false
		}
	})
	if n := len(h.names(t)); n < 5 {
		t.Errorf("only %d engines in the storm", n)
	}
}

// TestAgentClosedStdio starts a program without descriptors 0 to 2.
func TestAgentClosedStdio(t *testing.T) {
	t.Parallel()
	for _, closed := range []string{"<&-", "<&- >&- 2>&-"} {
		h := newAgentHouse(t)
		p := h.start(t, nil, "sh", "-c", `exec "$0" raise `+closed, agentBuild(t, "gcc", "modes.c", "-pthread"))
		p.wait()
		if reports := h.read(t); len(reports) != 1 || reports[0].MiddleFds != 0 {
			t.Errorf("%s: reports %+v", closed, reports)
		}
	}
}

// TestAgentYama checks that the target names whom it lets trace, and takes it
// back: a kernel with Yama cannot be had everywhere.
func TestAgentYama(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed")
	}
	h := newAgentHouse(t)
	modes := agentBuild(t, "gcc", "modes.c", "-pthread")
	p := h.start(t, nil, "strace", "-f", "-e", "trace=prctl,clone,wait4", "-o", "calls", modes, "raise")
	p.wait()
	calls, err := os.ReadFile(filepath.Join(h.dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	target := h.read(t)[0].Target
	want := fmt.Sprintf(`(?s)prctl\(PR_SET_PTRACER, %d.*clone\(.*CLONE_VM\|CLONE_FILES.*wait4\(.*__WALL.*prctl\(PR_SET_PTRACER, 0\)`, target)
	if !regexp.MustCompile(want).Match(calls) {
		t.Errorf("calls:\n%s", calls)
	}
}

// TestAgentBacktrace lets debuggers look at a program that waits for the
// engine, as they will look at its image.
func TestAgentBacktrace(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	p := h.start(t, []string{"CKPT_FAKE=wait"}, agentBuild(t, "gcc", "modes.c", "-pthread", "-g"), "waits")
	until(t, "report", func() bool { return len(h.names(t)) == 1 })
	pid := strconv.Itoa(p.Process.Pid)
	for _, c := range []struct {
		want string
		cmd  []string
	}{
		{`(?s)ckpt_handler.*<signal handler called>.*deep.*main`, []string{"gdb", "-nx", "-batch", "-ex", "bt", "-p", pid}},
		{`(?s)ckpt_handler.*__restore_rt.*deep.*main`, []string{"eu-stack", "-p", pid}},
	} {
		if _, err := exec.LookPath(c.cmd[0]); err != nil {
			t.Logf("%s is not installed", c.cmd[0])
			continue
		}
		out, err := exec.Command(c.cmd[0], c.cmd[1:]...).CombinedOutput()
		if err != nil || !regexp.MustCompile(c.want).Match(out) {
			t.Errorf("%v: %v\n%s", c.cmd, err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(h.reports, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p.wait()
}
