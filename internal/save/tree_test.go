package save

import (
	"context"
	"path/filepath"
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

// savedTree saves the program and gives the processes of the image.
func savedTree(t *testing.T, g *target) (*Result, []image.Process) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	r, err := Save(context.Background(), options(g, path))
	if err != nil {
		t.Fatal(err)
	}
	verified(t, path)
	return r, r.Manifest.Processes
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
				r, all := savedTree(t, g)
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
