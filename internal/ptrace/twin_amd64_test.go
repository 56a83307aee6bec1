package ptrace_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
)

// TestTwin makes twins, of which none may run on, and whose target must.
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
			var twin *ptrace.Thread
			inject(t, th, o, func(in *ptrace.Injector) {
				var err error
				if twin, err = in.Twin(uint64(syscall.SIGCHLD)); err != nil {
					t.Fatal(err)
				}
			})
			if d := cmp.Diff(before, g.snapshot(th, o.Stack)); d != "" {
				t.Errorf("changed (-before +after):\n%s", d)
			}
			g.detach(th)
			g.works(2)

			to, _, err := options(twin.Tid())
			if err != nil {
				t.Fatal(err)
			}
			defer to.Mem.(*os.File).Close()
			inject(t, twin, to, func(in *ptrace.Injector) {
				if v, err := in.Call(abi.SysGetppid); err != nil || int(v) != g.pid {
					t.Errorf("parent of the twin = %d, %v", v, err)
				}
			})
			// Let go, it ends at once instead of running on.
			if err := twin.Detach(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the twin's end", func() bool { s := state(twin.Tid()); return s == "Z" || s == "" })
			g.works(2)
		})
	}
}
