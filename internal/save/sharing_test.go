package save

import (
	"os/exec"
	"slices"
	"testing"

	"ckpt/internal/proc"
)

// TestApart: what was apart is found to be so still only if all of it is there, in the
// order that it had.
func TestApart(t *testing.T) {
	t.Parallel()
	var subjects []*subject
	for range 3 {
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		subjects = append(subjects, &subject{pid: cmd.Process.Pid, proc: proc.Host().Process(cmd.Process.Pid)})
	}
	zombie := &subject{pid: 1 << 30, zombie: true}
	before, err := findSharing(append(slices.Clone(subjects), zombie))
	if err != nil {
		t.Fatal(err)
	}
	if !apart(before, append(slices.Clone(subjects), zombie)) {
		t.Error("they are not apart")
	}
	if apart(before, subjects[:2]) || apart(before, append(slices.Clone(subjects), &subject{pid: 1, proc: proc.Host().Process(1)})) || apart(nil, subjects) {
		t.Error("others than before are apart")
	}
	for _, g := range before {
		g.pids[0], g.pids[1] = g.pids[1], g.pids[0]
		if apart(before, subjects) {
			t.Errorf("they are apart with another order of their %s", g.name)
		}
		g.pids[0], g.pids[1] = g.pids[1], g.pids[0]
	}
	again := before[0].pids
	if before[0].pids = []int{again[0], again[0], again[2]}; apart(before, []*subject{subjects[0], subjects[1], subjects[2]}) {
		t.Error("one is apart from itself")
	}
}
