package ptrace_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
)

func noCalls(uint64) []ptrace.SystemCall { return nil }

// ask asks n times for the alternate stack, and looks at each answer.
func ask(in *ptrace.Injector, n int) error {
	const size = 24 // struct sigaltstack
	at, _ := in.Scratch()
	blank := bytes.Repeat([]byte{0xff}, n*size)
	if err := in.WriteScratch(0, blank); err != nil {
		return err
	}
	err := ptrace.Ask([]*ptrace.Injector{in}, func(*ptrace.Injector) []ptrace.Query {
		var list []ptrace.Query
		for i := range n {
			list = append(list, ptrace.Query{Nr: abi.SysSigaltstack, Args: [3]uint64{0, at + uint64(size*i)}})
		}
		return list
	})
	if err != nil {
		return err
	}
	if err := in.ReadScratch(0, blank); err != nil {
		return err
	}
	for i := range n {
		if flags := binary.LittleEndian.Uint32(blank[size*i+8:]); flags > 2 {
			return fmt.Errorf("answer %d of %d: % x", i, n, blank[size*i:size*(i+1)])
		}
	}
	return nil
}

// TestAskChains demands that queries take one stop where nothing stands against
// it, and that a query that fails leaves its memory as it was.
//
// It counts requests of the whole package, so that no other test may run.
func TestAskChains(t *testing.T) {
	locked(t)
	g := worker(t, build(t, "worker"), "main")
	for _, chained := range []bool{true, false} {
		th := g.stopped()
		o, _ := g.options()
		if !chained {
			o.Ignored = 0
		}
		inject(t, th, o, func(in *ptrace.Injector) {
			requests := 0
			ptrace.SetAfterRequest(func() { requests++ })
			err := ask(in, 20)
			ptrace.SetAfterRequest(func() {})
			if err != nil {
				t.Error(err)
			}
			if few := requests < 20; few != chained {
				t.Errorf("%d requests for 20 queries, chained %v", requests, chained)
			}
			at, _ := in.Scratch()
			if err := in.WriteScratch(0, append([]byte("untouched"), bytes.Repeat([]byte("Z"), 100)...)); err != nil {
				t.Fatal(err)
			}
			err = ptrace.Ask([]*ptrace.Injector{in}, func(*ptrace.Injector) []ptrace.Query {
				return []ptrace.Query{
					{Nr: abi.SysGetitimer, Args: [3]uint64{77, at}},
					{Nr: abi.SysGetpid, To: at + 16},
					{Nr: abi.SysRtSigaction, Args: [3]uint64{uint64(syscall.SIGALRM), 0, at + 64}},
					{Nr: abi.SysGetitimer, Args: [3]uint64{77, at}, To: at + 24},
				}
			})
			if err != nil {
				t.Errorf("a query that fails: %v", err)
			}
			left := make([]byte, 96)
			if err := in.ReadScratch(0, left); err != nil || string(left[:9]) != "untouched" {
				t.Errorf("after a query that fails: %q, %v", left, err)
			}
			if pid := binary.LittleEndian.Uint64(left[16:]); int(pid) != g.pid {
				t.Errorf("the result of getpid is %d", pid)
			}
			if e := -int64(binary.LittleEndian.Uint64(left[24:])); e != int64(syscall.EINVAL) {
				t.Errorf("the result of a call that fails is %d", -e)
			}
			if bytes.Contains(left[64:], []byte("Z")) {
				t.Errorf("rt_sigaction left %q", left[64:])
			}
		})
		g.detach(th)
		g.works(1)
	}
}
