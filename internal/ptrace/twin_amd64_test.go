package ptrace_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
)

// TestTwin copies processes. The copies may not run on, the process must, and
// must not find anything of it: no child, no changed memory or registers.
func TestTwin(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"main", "ucontext"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			locked(t)
			g := worker(t, build(t, "worker"), mode)
			th := g.stopped()
			o, _ := g.options()
			before := g.snapshot(th, o.Stack)
			var twin *ptrace.Twin
			inject(t, th, o, func(in *ptrace.Injector) {
				var err error
				if twin, err = in.Twin(); err != nil {
					t.Fatal(err)
				}
			})
			if d := cmp.Diff(before, g.snapshot(th, o.Stack)); d != "" {
				t.Errorf("changed (-before +after):\n%s", d)
			}
			g.detach(th)
			g.works(2)
			if kids := children(t, g.pid); len(kids) > 0 {
				t.Errorf("children of the process: %s", kids)
			}
			calls(t, twin)
			twin.Kill()
			waitFor(t, "the twin's end", func() bool { s := state(twin.Tid()); return s == "Z" || s == "" })
			g.works(2)
		})
	}
}

// calls makes the twin execute calls, one by one and in batches.
func calls(t *testing.T, twin *ptrace.Twin) {
	t.Helper()
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", twin.Tid()), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	told, err := twin.Open(mem, func(at uint64) []ptrace.SystemCall {
		return []ptrace.SystemCall{{Nr: abi.SysGetpid}, {Nr: abi.SysRtSigaction, Args: [6]uint64{uint64(syscall.SIGTRAP), 0, at, 8}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || told[0].Result != int64(twin.Tid()) || told[1].Result != 0 {
		t.Errorf("calls of Open: %+v", told)
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", twin.Tid()))
	if err != nil || len(fds) > 0 {
		t.Errorf("open files of the twin: %v, %v", fds, err)
	}
	if sid, err := twin.Call(abi.SysGetsid, 0); err != nil || int(sid) != twin.Tid() {
		t.Errorf("session of the twin %d = %d, %v", twin.Tid(), sid, err)
	}
	if pid, err := twin.Call(abi.SysGetpid); err != nil || int(pid) != twin.Tid() {
		t.Errorf("getpid in the twin = %d, %v", pid, err)
	}
	if _, err := twin.Call(abi.SysClose, 77); err != syscall.EBADF {
		t.Errorf("close of no file in the twin: %v", err)
	}
	// More than one batch holds.
	batch := make([]ptrace.SystemCall, 300)
	for i := range batch {
		batch[i] = ptrace.SystemCall{Nr: abi.SysGetpid}
	}
	batch[299] = ptrace.SystemCall{Nr: abi.SysClose, Args: [6]uint64{77}}
	for range 2 {
		if err := twin.Batch(batch); err != nil {
			t.Fatal(err)
		}
	}
	if first, last := batch[0].Result, batch[298].Result; first != int64(twin.Tid()) || last != first {
		t.Errorf("getpid in a batch = %d and %d", first, last)
	}
	if r := batch[299].Result; r != -int64(syscall.EBADF) {
		t.Errorf("close of no file in a batch = %d", r)
	}
	// Its scratch memory is none of the program's.
	at, size := twin.Scratch()
	b := bytes.Repeat([]byte{0x5a}, size)
	if _, err := twin.Memory().WriteAt(b, int64(at)); err != nil {
		t.Error(err)
	}
}

func children(t *testing.T, pid int) []byte {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}
