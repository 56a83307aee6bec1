package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRestoreKilled: whenever the restore of a tree is killed, either nothing is
// left of the tree, or all of it runs.
func TestRestoreKilled(t *testing.T) {
	needRoot(t)
	t.Parallel()
	r := startProbe(t, &probe{name: "tree_generations", source: "programs/tree_generations.c", variant: "pie", arg: "both"}, os.Geteuid())
	members := r.family()
	r.saveAndKill()
	left := func() (n int) {
		for _, pid := range members {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG|unix.WALL, nil)
			if syscall.Kill(pid, 0) == nil {
				n++
			}
		}
		return n
	}
	none, all := 0, 0
	const steps, most = 40, 400
	for i := 0; i < steps || i < most && all == 0; i++ {
		cmd := exec.Command(binary(t, "ckpt"), "restore", "myckpt")
		cmd.Dir = r.dir
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(3*i) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		n := 0
		eventually(t, fmt.Sprintf("none or all of %d processes", len(members)), func() bool {
			n = left()
			time.Sleep(20 * time.Millisecond) // all may be there, and about to end
			return n == left() && (n == 0 || n == len(members))
		})
		if n == 0 {
			if none++; said.Len() > 0 {
				t.Fatalf("it failed: %s", said.String())
			}
			continue
		}
		all++
		for _, pid := range members {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		eventually(t, "the end of all", func() bool { return left() == 0 })
	}
	if none == 0 || all == 0 {
		t.Errorf("nothing is left %d times, all run %d times", none, all)
	}
	t.Logf("nothing is left %d times, all run %d times", none, all)
}
