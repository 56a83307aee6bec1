package restore

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
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
	m := family(t, 4)
	// Nothing can be mapped there without being asked for.
	m.Processes[2].Areas = []image.Area{{Start: 1 << 50, End: 1<<50 + pageSize, Prot: rw, Kind: image.Anonymous, File: -1, Flags: []string{}}}
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

// family is a sample of n processes with ids that nobody has, each the child
// of the one before.
func family(t *testing.T, n int) *image.Manifest {
	t.Helper()
	m := sample(t)
	root := m.Processes[0]
	const lo, hi = 0x400000, 0x401000
	root.Memory = image.Memory{
		StartCode: lo, EndCode: hi, StartData: lo, EndData: hi, StartBrk: hi, Brk: hi, StartStack: hi,
		ArgStart: lo, ArgEnd: hi, EnvStart: lo, EnvEnd: hi,
	}
	m.Processes = nil
	families.Lock()
	defer families.Unlock()
	if families.next == 0 {
		families.next = highestID() - 1000
	}
	for i := range n {
		p := root
		p.Areas = slices.Clone(root.Areas)
		p.Threads = slices.Clone(root.Threads)
		for ; !errors.Is(syscall.Kill(families.next, 0), syscall.ESRCH); families.next-- {
		}
		p.PID, p.Threads[0].TID = families.next, families.next
		families.next--
		if i > 0 {
			p.PPID = m.Processes[i-1].PID
		}
		m.Processes = append(m.Processes, p)
	}
	return m
}

// families are the ids for tests.
var families struct {
	sync.Mutex
	next int
}

// TestTakenMeanwhile: only what says that an id is taken is tried again.
func TestTakenMeanwhile(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]bool{
		"process 7: start process 8: file exists":   true,
		"start thread 9: file exists":               true,
		"process 7: start process 8: no memory":     false,
		"process 7: open the terminal: file exists": false,
	} {
		var taken *takenError
		if err := failure(said); errors.As(err, &taken) != want || err.Error() != said {
			t.Errorf("%q is %v", said, err)
		}
	}
}
