package main

import (
	"bytes"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFirstLine: the time to the first line is measured, and the program is ended.
func TestFirstLine(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", "sleep 0.1; while echo ready; do sleep 0.001; done")
	alive := false
	took, err := firstLine(t.Context(), cmd, func(pid int) error {
		alive = syscall.Kill(pid, 0) == nil
		return nil
	})
	if err != nil || took < 100*time.Millisecond || !alive {
		t.Errorf("took %v, error %v, alive %v", took, err, alive)
	}
	if cmd.ProcessState == nil {
		t.Error("the program was not ended")
	}
	if _, err := firstLine(t.Context(), exec.Command("true"), nil); err == nil {
		t.Error("a program that prints nothing has a first line")
	}
	var out bytes.Buffer
	slowStart{"tool", []slowStartRun{{3e9, 30e6, 10e6}}}.writeRows(&out)
	for _, want := range []string{"tool, to its first line, 1 runs", "3000", "30.0", "10.0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}
