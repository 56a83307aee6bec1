package save

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/proc"
)

func startTree(t *testing.T, args ...string) *target {
	t.Helper()
	g := startProgram(t, nil, "tree", args...)
	g.works()
	return g
}

// savedTree saves the program and opens the image.
func savedTree(t *testing.T, g *target) (*Result, *image.Image) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	r, err := Save(context.Background(), options(g, path))
	if err != nil {
		t.Fatal(err)
	}
	verified(t, path)
	im, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return r, im
}

// TestTree: all processes are in the image, each with what is its own, and run
// on.
func TestTree(t *testing.T) {
	t.Parallel()
	for _, c := range [][]string{{"children", "1"}, {"children", "20"}, {"chain", "10"}} {
		t.Run(c[0]+" "+c[1], func(t *testing.T) {
			t.Parallel()
			g := startTree(t, c...)
			before := g.trace()
			for range 5 {
				r, im := savedTree(t, g)
				all := im.Manifest().Processes
				t.Logf("frozen for %v", r.Frozen)
				if itoa(len(all)-1) != c[1] || all[0].PID != g.pid {
					t.Fatalf("%d processes", len(all))
				}
				for i := range all {
					p := &all[i]
					st, err := proc.Host().Process(p.PID).Stat()
					if err != nil || p.PPID != st.PPid || p.PGID != g.pid || len(p.Threads) != 1 || p.Threads[0].Regs.Rip == 0 {
						t.Errorf("process %d: parent %d, group %d, threads %v, error %v", p.PID, p.PPID, p.PGID, p.Threads, err)
					}
					if d := all[0].Descriptors; len(p.Descriptors) != len(d) || p.Descriptors[0].File != d[0].File {
						t.Errorf("descriptors of process %d: %v, of the root %v", p.PID, p.Descriptors, d)
					}
				}
				g.works()
			}
			g.untouched(before)
		})
	}
}

// TestSharedMemory: memory that processes share is in the image once, with all
// that any of them shows of it.
func TestSharedMemory(t *testing.T) {
	t.Parallel()
	g := startTree(t, "shared", "3")
	_, im := savedTree(t, g)
	g.works()
	objects := im.Manifest().Objects
	if len(objects) != 2 { // the counters are the other one
		t.Fatalf("objects %+v", objects)
	}
	id := objects[slices.IndexFunc(objects, func(o image.Object) bool { return o.Size == 4*16*pageSize })].ID
	b := make([]byte, pageSize)
	for i := range im.Manifest().Processes {
		windows := 0
		for _, a := range im.Process(i).Areas {
			if a.Object != id {
				continue
			}
			windows++
			for at := uint64(a.Start); at < uint64(a.End); at += pageSize {
				page := (at - uint64(a.Start) + a.Offset) / pageSize
				if err := im.Space(i).ReadMemory(at, b); err != nil || b[0] != byte(page) {
					t.Errorf("process %d at %#x: page %d instead of %d, error %v", i, at, b[0], page, err)
				}
			}
		}
		if windows != 1 {
			t.Errorf("%d windows of process %d", windows, i)
		}
	}
}

// TestSharing: what processes share besides open files is told, and the memory is
// in the image once.
func TestSharing(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]func(root int) image.Shares{
		"v":   func(root int) image.Shares { return image.Shares{Memory: root} },
		"f":   func(root int) image.Shares { return image.Shares{Descriptors: root} },
		"d":   func(root int) image.Shares { return image.Shares{FS: root} },
		"vfd": func(root int) image.Shares { return image.Shares{Memory: root, Descriptors: root, FS: root} },
	} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			g := startTree(t, "clone", "2", flags)
			before := g.trace()
			for range 3 {
				_, im := savedTree(t, g)
				all := im.Manifest().Processes
				if len(all) != 3 {
					t.Fatalf("%d processes", len(all))
				}
				for _, p := range all[1:] {
					if s := want(g.pid); p.Shares != s || (len(p.Areas) == 0) != (s.Memory != 0) || (len(p.Descriptors) == 0) != (s.Descriptors != 0) {
						t.Errorf("process %d: %+v, %d areas, %d descriptors", p.PID, p.Shares, len(p.Areas), len(p.Descriptors))
					}
					if p.Threads[0].Regs.Rip == 0 || p.Threads[0].Regs.Rsp == all[0].Threads[0].Regs.Rsp {
						t.Errorf("process %d: registers %+v", p.PID, p.Threads[0].Regs)
					}
				}
				g.untouched(before)
			}
		})
	}
}

// TestVfork: processes that make children by vfork all the time are saved between
// two of them, or when the child has executed its program.
func TestVfork(t *testing.T) {
	t.Parallel()
	g := startTree(t, "vfork", "2")
	for range 10 {
		_, im := savedTree(t, g)
		for _, p := range im.Manifest().Processes {
			if p.Shares != (image.Shares{}) {
				t.Errorf("process %d (%q): %+v", p.PID, p.Args, p.Shares)
			}
		}
		g.works()
	}
}

// TestForking: trees that make processes all the time are saved at one moment of
// that, in which each process has the parent that the kernel says.
func TestForking(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"breeding", "relays"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			g := startTree(t, mode, "4")
			t.Cleanup(func() { syscall.Kill(-g.pid, syscall.SIGKILL) }) // relays outlive their root
			for range 10 {
				_, im := savedTree(t, g)
				all := im.Manifest().Processes
				if len(all) < 5 {
					t.Errorf("%d processes", len(all))
				}
				pids := map[int]bool{}
				for _, p := range all {
					if p.PID != g.pid && !pids[p.PPID] {
						t.Errorf("process %d has parent %d", p.PID, p.PPID)
					}
					pids[p.PID] = true
				}
				g.works()
			}
		})
	}
}

// TestStates: how children ended, that one is stopped, sessions and groups.
func TestStates(t *testing.T) {
	t.Parallel()
	g := startTree(t, "states")
	t.Cleanup(func() { syscall.Kill(-g.pid, syscall.SIGKILL) }) // one is stopped, and has no death signal
	p := proc.Host().Process(g.pid)
	eventually(t, "the states", func() bool {
		list, err := p.Children()
		states := ""
		for _, c := range list {
			if st, err := proc.Host().Process(c).Stat(); err == nil {
				states += string(st.State)
			}
		}
		return err == nil && len(states) == 4 && states[:3] == "ZZT"
	})
	before := g.trace()
	for range 3 {
		_, im := savedTree(t, g)
		all := im.Manifest().Processes
		if len(all) != 6 {
			t.Fatalf("%d processes", len(all))
		}
		if a, b := &all[1], &all[2]; !a.Zombie || a.ExitStatus != 3<<8 || !b.Zombie || b.ExitStatus != 9 || !a.Threads[0].Dead || a.Credentials.UID[0] != os.Getuid() {
			t.Errorf("zombies %+v, %+v", a, b)
		}
		if s := &all[3]; !s.Stopped || all[0].Stopped || all[4].Stopped {
			t.Errorf("stopped %v", s.Stopped)
		}
		if st, err := proc.Host().Process(all[3].PID).Stat(); err != nil || st.State != 'T' {
			t.Errorf("the stopped one runs: %+v, error %v", st, err)
		}
		leader, member := &all[4], &all[5]
		if leader.SID != leader.PID || leader.PGID != leader.PID || member.SID != leader.PID || member.PGID != member.PID || all[0].PGID != g.pid {
			t.Errorf("leader %d of session %d, group %d; member %d of session %d, group %d", leader.PID, leader.SID, leader.PGID, member.PID, member.SID, member.PGID)
		}
		g.untouched(before)
	}
}

// TestThenTree: what is to become of the program becomes of all its processes.
func TestThenTree(t *testing.T) {
	t.Parallel()
	for then, state := range map[Then]string{ThenStop: "T", ThenKill: ""} {
		g := startTree(t, "chain", "3")
		o := options(g, filepath.Join(t.TempDir(), "x"))
		o.Then = then
		r, err := Save(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Manifest.Processes {
			eventually(t, "the state of process "+itoa(p.PID), func() bool {
				st, err := proc.Host().Process(p.PID).Stat()
				return state == "" && (err != nil || st.Zombie()) || state != "" && err == nil && string(st.State) == state
			})
		}
	}
}

// TestMemberKilled: when a descendant is killed at any step, the others are saved
// nevertheless.
func TestMemberKilled(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		g := startProgram(t, nil, "tree", "mortal", "2")
		list, err := proc.Host().Process(g.pid).Children()
		if err != nil || len(list) != 2 {
			t.Fatalf("children %v, error %v", list, err)
		}
		path := destination(t)
		p := newProbe(context.Background(), n, func() { syscall.Kill(list[0], syscall.SIGKILL) })
		r, err := Save(p, options(g, path))
		if err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		verified(t, path)
		if len(r.Manifest.Processes) != 3 || r.Manifest.Processes[2].Zombie {
			t.Errorf("step %d: %d processes", n, len(r.Manifest.Processes))
		}
		g.works()
		if !p.reached() {
			return
		}
		g.end()
	}
}
