package emit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// agentCall is a program of calls.c that blocks in a system call.
type agentCall struct {
	*agentProcess
	h  *agentHouse
	t  *testing.T
	in []byte // the beginning of its /proc/PID/syscall
}

func startAgentCall(t *testing.T, fake, mode string) *agentCall {
	t.Helper()
	h := newAgentHouse(t)
	p := h.start(t, []string{"CKPT_FAKE=" + fake}, agentBuild(t, "gcc", "calls.c"), mode)
	number, ok := strings.CutPrefix(p.line(), "ready ")
	if !ok {
		t.Fatalf("says %q", number)
	}
	c := &agentCall{p, h, t, []byte(number + " ")}
	until(t, mode, c.waits)
	return c
}

// waits tells whether the program is blocked in its call.
func (c *agentCall) waits() bool {
	call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", c.Process.Pid))
	return err == nil && bytes.HasPrefix(call, c.in)
}

// save asks for a save, the n-th, and waits until an engine has run.
func (c *agentCall) save(n int) {
	c.t.Helper()
	c.signal(syscall.SIGUSR2)
	c.saved(c.h, n)
}

// result waits for the end of the call.
func (c *agentCall) result() (ret int64, took time.Duration) {
	c.t.Helper()
	defer time.AfterFunc(agentPatience, func() { c.Process.Kill() }).Stop()
	var ms int64
	line := c.line()
	if _, err := fmt.Sscan(line, &ret, &ms); err != nil {
		c.t.Fatalf("says %q", line)
	}
	c.wait()
	return ret, time.Duration(ms) * time.Millisecond
}

const agentEINTR = -int64(syscall.EINTR)

// TestAgentForever saves programs many times in calls without an end: they go
// on in them, until a handler of their own ends the call.
func TestAgentForever(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{
		"pause", "suspend", "select_forever", "pselect_forever", "poll", "ppoll_mask", "epoll", "epoll_pwait",
		"epoll_pwait2", "sigwait", "semop", "semtimedop", "msgrcv", "msgsnd", "aio", "aio_pgetevents",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := startAgentCall(t, "", mode)
			for n := 1; n <= 20; n++ {
				c.save(n)
				until(t, mode+" again", c.waits)
			}
			c.signal(syscall.SIGUSR1)
			if ret, _ := c.result(); ret != agentEINTR {
				t.Errorf("returned %d after a handler of its own", ret)
			}
		})
	}
}

// TestAgentLimits saves programs many times in calls of two seconds: the end is
// where it was, but for the time in the handler.
func TestAgentLimits(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]int64{
		"sleep": 0, "clock": 0, "clock_until": 0, "select": 0, "pselect": 0, "ppoll": 0, "futex_until": -int64(syscall.ETIMEDOUT),
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := startAgentCall(t, "", mode)
			var saving time.Duration
			for n := 1; n <= 20; n++ {
				begin := time.Now()
				c.save(n)
				over := false
				until(t, mode+" again", func() bool { over = c.out.Buffered() > 0 || c.hasEnded(); return over || c.waits() })
				if over {
					break
				}
				saving += time.Since(begin)
				time.Sleep(60 * time.Millisecond) // of the two seconds
			}
			ret, took := c.result()
			if ret != want {
				t.Errorf("returned %d, want %d", ret, want)
			}
			if least, most := 2*time.Second, 2*time.Second+saving+700*time.Millisecond; took < least || took > most {
				t.Errorf("took %v, want between %v and %v", took, least, most)
			}
		})
	}
}

// hasEnded tells whether the program is a zombie or gone.
func (c *agentCall) hasEnded() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

// TestAgentInexact has calls whose rest nobody knows, and one whose number
// nobody knows.
func TestAgentInexact(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{
		"raw", "sleep_rest", "sleep_null", "clock_null", "select_sticky", "poll_limit", "epoll_limit",
		"epoll_pwait2_limit", "sigwait_limit", "futex_limit", "semtimedop_limit",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := startAgentCall(t, "", mode)
			c.save(1)
			if ret, _ := c.result(); ret != agentEINTR {
				t.Errorf("returned %d", ret)
			}
		})
	}
}

// TestAgentOtherSignals has signals that come while the handler runs: one with
// a handler ends the call, as it would have; those without do not.
func TestAgentOtherSignals(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"pause", "suspend", "poll", "ppoll_mask", "sleep"} {
		for name, other := range map[string]syscall.Signal{"handler": syscall.SIGUSR1, "default": syscall.SIGCHLD, "ours": syscall.SIGUSR2} {
			t.Run(mode+"-"+name, func(t *testing.T) {
				t.Parallel()
				c := startAgentCall(t, "wait", mode)
				c.signal(syscall.SIGUSR2)
				until(t, "report", func() bool { return len(c.h.names(t)) == 1 })
				c.signal(other)
				if err := os.WriteFile(filepath.Join(c.h.reports, "go"), nil, 0o644); err != nil {
					t.Fatal(err)
				}
				want := agentEINTR
				if other != syscall.SIGUSR1 {
					if mode == "sleep" {
						want = 0
					} else {
						until(t, mode+" again", c.waits)
						c.signal(syscall.SIGUSR1)
					}
				}
				if ret, _ := c.result(); ret != want {
					t.Errorf("returned %d, want %d", ret, want)
				}
				if n := len(c.h.names(t)); other == syscall.SIGUSR2 && n != 2 {
					t.Errorf("%d engines for two signals", n)
				}
			})
		}
	}
}
