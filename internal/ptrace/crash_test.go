package ptrace_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"testing"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
)

// engineMain is the engine that TestEngineDies starts and that kills itself
// after its k-th step: engine PID TID K WHERE.
func engineMain(args []string) {
	runtime.LockOSThread()
	pid, _ := strconv.Atoi(args[0])
	tid, _ := strconv.Atoi(args[1])
	k, _ := strconv.Atoi(args[2])
	step := 0
	counting := args[3] != "mapping"
	ptrace.SetAfterRequest(func() {
		if !counting {
			return
		}
		if step++; step == k {
			os.Stdout.Write(debug.Stack()) // where, for the log of a failure
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	if err := engine(pid, tid, args[3], &counting); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func engine(pid, tid int, where string, counting *bool) error {
	t, err := ptrace.Seize(tid)
	if err != nil {
		return err
	}
	if err := t.Stop(5 * time.Second); err != nil {
		return err
	}
	o, _, err := options(pid)
	if err != nil {
		return err
	}
	if where == "mapping" {
		o.Stack = ptrace.Range{}
	}
	in, err := ptrace.Inject(t, o)
	if err != nil {
		return err
	}
	// The bare calls for a mapping are the documented exception.
	*counting = true
	scratch, _ := in.Scratch()
	for _, c := range [][]uint64{
		{abi.SysGetpid},
		{abi.SysSigaltstack, 0, scratch},
		{abi.SysRtSigaction, uint64(syscall.SIGALRM), 0, scratch, 8},
		{abi.SysMunmap, 1},
	} {
		if _, err := in.Call(c[0], c[1:]...); err != nil && c[0] != abi.SysMunmap {
			return err
		}
	}
	err = in.InChild(func(_ int, call func(nr uint64, args ...uint64) (uint64, error)) error {
		_, err := call(abi.SysGetpid)
		return err
	})
	if err != nil {
		return err
	}
	if err := ask(in, 3); err != nil {
		return err
	}
	if _, err := in.Shadow(); err != nil {
		return err
	}
	twin, err := in.Twin()
	if err != nil {
		return err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", twin.Tid()), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if _, err := twin.Open(mem, noCalls); err != nil {
		return err
	}
	*counting = where != "mapping"
	if err := in.Close(); err != nil {
		return err
	}
	return t.Detach()
}

// TestEngineDies kills the engine after each of its steps in turn, and demands
// that the target works on, every time.
func TestEngineDies(t *testing.T) {
	t.Parallel()
	run := func(name string, g func(*testing.T) *target, where string) {
		t.Run(name+"-"+where, func(t *testing.T) {
			t.Parallel()
			engineDies(t, g(t), where)
		})
	}
	for _, p := range programsUnderTest {
		start := func(t *testing.T) *target { return worker(t, build(t, "worker", p.flags...), p.mode) }
		run(p.name, start, "stack")
		if p.name == "ucontext" || p.name == "no-pie" {
			run(p.name, start, "mapping")
		}
	}
	run("go", func(t *testing.T) *target { return worker(t, "/proc/self/exe", "go-worker") }, "stack")
}

func engineDies(t *testing.T, g *target, where string) {
	const steps = 200 // more than there are
	for k := 1; k < steps; k++ {
		cmd := exec.Command("/proc/self/exe", "engine",
			strconv.Itoa(g.pid), strconv.Itoa(g.tid), strconv.Itoa(k), where)
		cmd.Stderr = os.Stderr
		where, err := cmd.Output()
		t.Logf("killed after step %d: %s", k, where)
		g.works(1)
		waitFor(t, "an end of the children", func() bool { return len(children(t, g.pid)) == 0 })
		if err == nil {
			if k < 10 {
				t.Errorf("only %d steps: the hook is not called", k)
			}
			return
		}
		if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() {
			t.Fatalf("engine %d: %v", k, err)
		}
	}
	t.Errorf("the engine takes more than %d steps", steps)
}
