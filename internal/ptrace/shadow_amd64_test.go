package ptrace_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
	"ckpt/internal/sys"
)

// TestShadow: a shadow has the memory of the process, and nothing else of it. The
// process does not notice anything, and neither the end of one is that of the other.
func TestShadow(t *testing.T) {
	t.Parallel()
	locked(t)
	g := worker(t, build(t, "worker"), "main")
	th := g.stopped()
	o, _ := g.options()
	before := g.snapshot(th, o.Stack)
	var shadow *ptrace.Twin
	inject(t, th, o, func(in *ptrace.Injector) {
		var err error
		if shadow, err = in.Shadow(); err != nil {
			t.Fatal(err)
		}
	})
	defer shadow.Kill()
	if d := cmp.Diff(before, g.snapshot(th, o.Stack)); d != "" {
		t.Errorf("changed (-before +after):\n%s", d)
	}
	g.detach(th)
	g.works(2)
	if kids := children(t, g.pid); len(kids) > 0 {
		t.Errorf("children of the process: %s", kids)
	}
	for what, same := range map[int]bool{sys.ShareMemory: true, sys.ShareFS: false, sys.ShareActions: false} {
		if shared, err := sys.Shared(g.pid, shadow.Tid(), what); err != nil || shared != same {
			t.Errorf("%d is shared: %v, %v", what, shared, err)
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", shadow.Tid()))
	if err != nil || len(fds) > 0 {
		t.Errorf("open files of the shadow: %v, %v", fds, err)
	}
	batch := []ptrace.SystemCall{{Nr: abi.SysGetpid}, {Nr: abi.SysGetsid}, {Nr: abi.SysClose, Args: [6]uint64{77}}}
	for range 3 {
		if err := shadow.Batch(batch); err != nil {
			t.Fatal(err)
		}
		for i, want := range []int64{int64(shadow.Tid()), int64(shadow.Tid()), -int64(syscall.EBADF)} {
			if batch[i].Result != want {
				t.Errorf("call %d gives %d, want %d", i, batch[i].Result, want)
			}
		}
	}
	g.works(2)
	if err := syscall.Kill(g.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end of the process", func() bool { s := state(g.pid); return s == "Z" || s == "" })
	if pid, err := shadow.Call(abi.SysGetpid); err != nil || int(pid) != shadow.Tid() {
		t.Errorf("getpid of the shadow of a process that has ended: %d, %v", pid, err)
	}
	shadow.Kill()
	if s := state(shadow.Tid()); s != "Z" && s != "" {
		t.Errorf("the shadow is %s after its end", s)
	}
}
