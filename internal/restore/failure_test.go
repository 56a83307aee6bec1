package restore

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// restoreEnv has the test's executable restore an image instead.
const restoreEnv = "CKPT_TEST_RESTORE"

func init() {
	path, ok := os.LookupEnv(restoreEnv)
	if !ok {
		return
	}
	if err := Restore(context.Background(), Options{Path: path}); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

// TestNothingIsLeft: a step that fails in one process is told by its name, and
// all that had been made are gone.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	if sys.ProbeSetTID() != nil {
		t.Skip("only root can choose ids")
	}
	m := sample(t)
	root := m.Processes[0]
	m.Processes = nil
	next := highestID() - 1000
	for i := range 4 {
		p := root
		p.Threads = []image.Thread{root.Threads[0]}
		for ; !errors.Is(syscall.Kill(next, 0), syscall.ESRCH); next-- {
		}
		p.PID, p.Threads[0].TID = next, next
		next--
		const lo, hi = 0x400000, 0x401000
		p.Memory = image.Memory{
			StartCode: lo, EndCode: hi, StartData: lo, EndData: hi, StartBrk: hi, Brk: hi, StartStack: hi,
			ArgStart: lo, ArgEnd: hi, EnvStart: lo, EnvEnd: hi,
		}
		p.SID, p.PGID = root.SID, root.PGID
		if i > 0 {
			p.PPID = m.Processes[max(0, i-2)].PID
		}
		if i == 2 {
			// Nothing can be mapped there without being asked for.
			p.Areas = []image.Area{{Start: 1 << 50, End: 1<<50 + pageSize, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{}}}
		}
		m.Processes = append(m.Processes, p)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), restoreEnv+"="+write(t, m))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "process ") || !strings.Contains(string(out), "map anonymous 0x4000000000000") {
		t.Errorf("%v: %s", err, out)
	}
	for i := range m.Processes {
		if err := syscall.Kill(m.Processes[i].PID, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d: %v", m.Processes[i].PID, err)
		}
	}
}
