package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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
	// By its name its processes are known, whatever ids and namespaces they get.
	const name = "restore-killed"
	r := startProbeOn(t, []string{"sh", "-c", `cp "$0" ` + name + ` && exec ./` + name + ` "$@"`},
		&probe{name: "tree_generations", source: "programs/tree_generations.c", variant: "pie", arg: "both"}, os.Geteuid())
	members := r.family()
	r.saveAndKill()
	left := func() (living []int) {
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, file := range stats {
			stat, _ := os.ReadFile(file) // of one that has ended
			var pid, parent int
			var comm, state string
			if _, err := fmt.Sscanf(string(stat), "%d (%s %s %d", &pid, &comm, &state, &parent); err != nil {
				continue
			}
			// Before it has its name, it has that of the plan's descriptor.
			_, err := strconv.Atoi(strings.TrimSuffix(comm, ")"))
			unnamed := err == nil && slices.Contains(members, pid)
			switch {
			case comm != name+")" && !unnamed:
			case state != "Z":
				living = append(living, pid)
			case parent == os.Getpid():
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG|unix.WALL, nil)
			}
		}
		return living
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
			n = len(left())
			time.Sleep(20 * time.Millisecond) // all may be there, and about to end
			return n == len(left()) && (n == 0 || n == len(members))
		})
		if n == 0 {
			if none++; said.Len() > 0 && !strings.Contains(said.String(), "namespace of its own") {
				t.Fatalf("it failed: %s", said.String())
			}
			continue
		}
		all++
		for _, pid := range left() {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		eventually(t, "the end of all", func() bool { return len(left()) == 0 })
	}
	if none == 0 || all == 0 {
		t.Errorf("nothing is left %d times, all run %d times", none, all)
	}
	t.Logf("nothing is left %d times, all run %d times", none, all)
}
