package emit

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// caught gives the signals that a program with the library catches after its
// start, and what it printed as errors.
func (h *agentHouse) caught(t *testing.T, env ...string) (uint64, string) {
	t.Helper()
	p := h.start(t, env, "cat", "/proc/self/status")
	line := p.line()
	for !strings.HasPrefix(line, "SigCgt:") {
		line = p.line()
	}
	p.wait()
	set, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(line, "SigCgt:")), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return set, p.stderr.String()
}

func TestAgentSignalChoice(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	type choice struct {
		value string
		sig   int
		bad   bool
	}
	choices := []choice{
		{"", 12, false},
		{"12", 12, false},
		{"10", 10, false},
		{"010", 10, false},
		{"64", 64, false},
		{"34", 34, false},
		{"USR1", 10, false},
		{"SIGUSR1", 10, false},
		{"sigusr1", 10, false},
		{"Usr1", 10, false},
		{"SIGVTALRM", 26, false},
		{"0", 0, false},
		{"none", 0, false},
		{"NONE", 0, false},
		{"65", 12, true},
		{"9", 12, true},
		{"SIGKILL", 12, true},
		{"SEGV", 12, true},
		{"17", 12, true},
		{"PIPE", 12, true},
		{"33", 12, true},
		{"bogus", 12, true},
		{"12x", 12, true},
		{"x12", 12, true},
		{"SIG", 12, true},
		{"-1", 12, true},
		{" ", 12, true},
		{"99999999999999999999", 12, true},
		{"4294967306", 12, true},
		{"SIGUSR1SIGUSR1USR1", 12, true},
	}
	for n, name := range agentSignals {
		choices = append(choices, choice{"SIG" + name, n, false})
	}
	for _, c := range choices {
		if got := AgentSignal(c.value); got != c.sig {
			t.Errorf("CKPT_SIGNAL=%q: check takes it for %d, want %d", c.value, got, c.sig)
		}
		set, stderr := h.caught(t, "CKPT_SIGNAL="+c.value)
		var want uint64
		if c.sig > 0 {
			want = 1 << (c.sig - 1)
		}
		if set != want {
			t.Errorf("CKPT_SIGNAL=%q: caught %#x, want %#x", c.value, set, want)
		}
		wantErr := ""
		if c.bad {
			wantErr = "ckpt: CKPT_SIGNAL=" + c.value + ": not a signal that can be used; USR2 is used\n"
		}
		if stderr != wantErr {
			t.Errorf("CKPT_SIGNAL=%q: says %q, want %q", c.value, stderr, wantErr)
		}
	}
	if set, stderr := h.caught(t); set != 1<<11 || stderr != "" {
		t.Errorf("no CKPT_SIGNAL: caught %#x, says %q", set, stderr)
	}
}

// TestAgentEnvLimits gives more CKPT_ variables than there is room for.
func TestAgentEnvLimits(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	const says = "ckpt: the CKPT_ variables are too long: the engine will not get all of them\n"
	if set, stderr := h.caught(t, "CKPT_LONG="+strings.Repeat("x", 5000), "CKPT_SIGNAL=USR1"); set != 1<<9 || stderr != says {
		t.Errorf("a long variable: caught %#x, says %q", set, stderr)
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("CKPT_%d=", i))
	}
	if set, stderr := h.caught(t, append(many, "CKPT_SIGNAL=USR1")...); set != 1<<9 || stderr != says {
		t.Errorf("many variables: caught %#x, says %q", set, stderr)
	}
	p := h.start(t, many, agentBuild(t, "gcc", "modes.c"), "raise")
	p.wait()
	reports := h.read(t)
	if len(reports) != 1 || len(reports[0].Env) != agentEnvSlots || reports[0].Env[0] != "CKPT_REPORT="+h.reports {
		t.Fatalf("reports %v", reports)
	}
}

// TestAgentLoads runs programs of several kinds; those that can raise the
// signal and go on.
func TestAgentLoads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		args    func(t *testing.T) []string
		out     string
		reports int
	}{
		{"true", func(*testing.T) []string { return []string{"/bin/true"} }, "", 0},
		{"shell", func(*testing.T) []string { return []string{"sh", "-c", "kill -USR2 $$; echo ok"} }, "ok", 1},
		{"python", func(*testing.T) []string {
			return []string{"python3", "-c", "import os; os.kill(os.getpid(), 12); print('ok')"}
		}, "ok", 1},
		{"c++", func(t *testing.T) []string { return []string{agentBuild(t, "g++", "throws.cc")} }, "ok", 4},
		{"static", func(t *testing.T) []string { return []string{agentBuild(t, "gcc", "modes.c", "-static"), ""} }, "", 0},
		{"musl", func(t *testing.T) []string { return []string{agentBuild(t, "musl-gcc", "unseen.c")} }, "ok", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "musl" || c.name == "python" {
				tool := map[string]string{"musl": "musl-gcc", "python": "python3"}[c.name]
				if _, err := exec.LookPath(tool); err != nil {
					t.Skipf("%s is not installed", tool)
				}
			}
			h := newAgentHouse(t)
			args := c.args(t)
			p := h.start(t, nil, args[0], args[1:]...)
			if c.out != "" {
				if got := p.line(); got != c.out {
					t.Errorf("says %q", got)
				}
			}
			if c.name == "static" {
				if err := <-p.exited; p.ProcessState.ExitCode() != 99 {
					t.Fatal(err)
				}
			} else {
				p.wait()
			}
			if p.stderr.Len() > 0 {
				t.Errorf("stderr: %s", &p.stderr)
			}
			// A shell's kill, and everything that python starts: at least.
			if n := len(h.read(t)); n < c.reports || c.reports == 0 && n > 0 {
				t.Errorf("%d engines, want %d", n, c.reports)
			}
		})
	}
}

// TestAgentFindsEngine tries the places in turn.
func TestAgentFindsEngine(t *testing.T) {
	t.Parallel()
	modes := agentBuild(t, "gcc", "modes.c")
	run := func(h *agentHouse) (string, int) {
		p := h.start(t, nil, modes, "raise")
		p.wait()
		return p.stderr.String(), len(h.read(t))
	}
	h := newAgentHouse(t)
	h.lib = h.install(t, "pre fix/lib/libckpt.so", "/nonexistent/ckpt")
	lib := filepath.Dir(h.lib)
	says, n := run(h)
	want := fmt.Sprintf("ckpt: no engine beside libckpt.so: cannot run %q, %q, %q: not saved\n",
		lib+"/ckpt", lib+"/../bin/ckpt", "/nonexistent/ckpt")
	if says != want || n != 0 {
		t.Errorf("without an engine: %d run, says %q, want %q", n, says, want)
	}
	h.engine(t, filepath.Join(h.dir, "pre fix/bin/ckpt"))
	if says, n := run(h); says != "" || n != 1 {
		t.Errorf("engine in ../bin: %d run, says %q", n, says)
	}
	h = newAgentHouse(t)
	h.lib = h.install(t, "lib/libckpt.so", filepath.Join(h.dir, "ckpt"))
	if says, n := run(h); says != "" || n != 1 {
		t.Errorf("embedded engine: %d run, says %q", n, says)
	}
}

// TestAgentDeepDirectory has a path that takes more than one read of
// /proc/self/maps, and one that the scratch memory has no room for.
func TestAgentDeepDirectory(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	deep := strings.Repeat("d/", (3900-len(h.dir))/2)
	h.lib = h.install(t, deep+"libckpt.so", "/nonexistent/ckpt")
	h.engine(t, filepath.Join(filepath.Dir(h.lib), "ckpt"))
	h.start(t, nil, agentBuild(t, "gcc", "modes.c"), "raise").wait()
	if n := len(h.read(t)); n != 1 {
		t.Errorf("%d engines in a deep directory", n)
	}
}

// TestAgentEngineEnv looks at everything that the engine gets from the agent.
func TestAgentEngineEnv(t *testing.T) {
	t.Parallel()
	h := newAgentHouse(t)
	p := h.start(t, []string{"CKPT_LOG=/some/log", "CKPTX=no", "XCKPT_A=no", "CKPT_=yes"}, agentBuild(t, "gcc", "modes.c"), "environ")
	p.wait()
	reports := h.read(t)
	if len(reports) != 1 {
		t.Fatalf("%d reports", len(reports))
	}
	r := reports[0]
	if want := []string{"ckpt", "agent-save", strconv.Itoa(p.Process.Pid)}; !slices.Equal(r.Args, want) {
		t.Errorf("arguments %q, want %q", r.Args, want)
	}
	if want := []string{"CKPT_REPORT=" + h.reports, "CKPT_LOG=/some/log", "CKPT_=yes"}; !slices.Equal(r.Env, want) {
		t.Errorf("environment %q, want %q", r.Env, want)
	}
	if r.Target != p.Process.Pid {
		t.Errorf("the parent's parent is %d, the program is %d", r.Target, p.Process.Pid)
	}
	if !slices.Equal(r.Fds, []int{0, 1, 2}) || r.MiddleFds != 0 {
		t.Errorf("engine has descriptors %v, the middle child %d", r.Fds, r.MiddleFds)
	}
	if all := ^uint64(1<<(syscall.SIGKILL-1) | 1<<(syscall.SIGSTOP-1)); r.HandlerBlocked != all {
		t.Errorf("in the handler %#x is blocked, want %#x", r.HandlerBlocked, all)
	}
	if r.Blocked != 0 || r.Ignored != 0 {
		t.Errorf("engine begins with signals blocked %#x, ignored %#x", r.Blocked, r.Ignored)
	}
}
