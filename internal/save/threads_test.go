package save

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

func threads(t *testing.T, args ...string) *target {
	t.Helper()
	return startProgram(t, nil, "threads", args...)
}

// saved saves the program and gives what the image says of it.
func saved(t *testing.T, g *target) (*Result, *image.Process) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	r, err := Save(context.Background(), options(g, path))
	if err != nil {
		t.Fatal(err)
	}
	verified(t, path)
	return r, &r.Manifest.Processes[0]
}

// TestThreads: programs of many threads, each of which is in another call, are
// saved again and again and run on, and none of the calls fails.
func TestThreads(t *testing.T) {
	t.Parallel()
	for _, n := range []string{"1", "8", "200"} {
		t.Run(n, func(t *testing.T) {
			t.Parallel()
			g := threads(t, n)
			g.works()
			before := g.trace()
			for range 5 {
				r, p := saved(t, g)
				if itoa(len(p.Threads)-1) != n || p.Threads[0].TID != g.pid {
					t.Errorf("%d threads in the image", len(p.Threads))
				}
				t.Logf("frozen for %v", r.Frozen)
				for i, th := range p.Threads[1:] {
					if th.Regs.Rip == 0 || len(th.XSave) == 0 || th.TIDAddress == 0 || th.RobustList.Head == 0 ||
						!strings.HasPrefix(th.Comm, "worker ") {
						t.Errorf("thread %d is not whole: %+v", i, th)
					}
				}
				g.works()
			}
			g.untouched(before)
		})
	}
}

// TestLeaderless: a leader that has ended, and its process runs on.
func TestLeaderless(t *testing.T) {
	t.Parallel()
	g := threads(t, "3", "leaderless")
	g.works()
	eventually(t, "the end of the leader", func() bool {
		st, err := proc.Host().Process(g.pid).Status()
		return err == nil && st.Zombie()
	})
	for range 3 {
		_, p := saved(t, g)
		if len(p.Threads) != 5 || !p.Threads[0].Dead || p.Threads[0].TID != g.pid || p.Threads[0].Comm != "threads" || p.Threads[1].Dead {
			t.Errorf("threads: %+v", p.Threads)
		}
		if len(p.Areas) == 0 || len(p.Descriptors) < 3 || p.Args[0] == "" || p.PID != g.pid || p.Memory.StartCode == 0 {
			t.Errorf("the process: %+v", p)
		}
		g.works()
	}
	r, err := Check(g.pid, nil)
	if err != nil || len(r.Obstacles) > 0 || r.Name != "threads ("+itoa(g.pid)+")" {
		t.Errorf("%+v, error %v", r, err)
	}
}

// TestChurn: threads come and go while the process is being stopped.
func TestChurn(t *testing.T) {
	t.Parallel()
	g := threads(t, "churn")
	for range 20 {
		saved(t, g)
	}
	g.works()
}

// TestThreadState: what each thread has for itself.
func TestThreadState(t *testing.T) {
	t.Parallel()
	g := threads(t, "state")
	_, p := saved(t, g)
	th := &p.Threads[1]
	if th.Comm != "state)\n" || th.TimerSlack != 777777 || th.PDeathSig != 23 || th.AltStack.Size != 32768 {
		t.Errorf("name %q, slack %d, death signal %d, altstack %+v", th.Comm, th.TimerSlack, th.PDeathSig, th.AltStack)
	}
	if th.Nice != 5 || th.Policy != 3 || th.IOPrio != 2<<13|6 || !slices.Equal(th.Affinity, []uint64{1}) {
		t.Errorf("nice %d, policy %d, I/O priority %#x, affinity %v", th.Nice, th.Policy, th.IOPrio, th.Affinity)
	}
	if th.SigMask != 1<<(34+3-1) || len(th.Pending) != 1 || len(p.Signals.Pending) != 0 {
		t.Errorf("mask %#x, pending %v and %v", th.SigMask, signals(th.Pending), signals(p.Signals.Pending))
	}
	if len(p.Timers.POSIX) != 1 || p.Timers.POSIX[0].TID != th.TID {
		t.Errorf("timers %+v, thread %d", p.Timers.POSIX, th.TID)
	}
	lead := &p.Threads[0]
	if lead.TimerSlack == 777777 || lead.PDeathSig != 0 || lead.AltStack.Size != 0 || lead.Nice != 0 || lead.IOPrio == th.IOPrio ||
		len(lead.Affinity) == 1 && lead.Affinity[0] == 1 {
		t.Errorf("the leader has it, too: %+v", lead)
	}
	g.works()
}

// TestThreadsRefused: what a restore could not make again is refused by name.
func TestThreadsRefused(t *testing.T) {
	t.Parallel()
	for mode, c := range map[string][2]string{
		"own-fds": {"has a descriptor table of its own", "thread "},
		"own-fs":  {"has a working directory and umask of its own", "thread "},
		"sharer":  {"shares its memory with process ", "process"},
	} {
		g := threads(t, mode)
		g.works() // has opened all that it opens
		before := g.trace()
		path := destination(t)
		_, err := Save(context.Background(), options(g, path))
		if object := refusedFor(t, err, c[0]); !strings.HasPrefix(object, c[1]) {
			t.Errorf("%s: it is %q", mode, object)
		}
		intact(t, path)
		g.untouched(before)
	}
}
