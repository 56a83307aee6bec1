package restore

import (
	"fmt"
	"math/bits"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
)

// forget drops what an execve lets pass from the restart, but is not the
// program's: interval timers, and signals that are pending. They were before
// the restart began, or the Go runtime has sent them to its own threads. A
// signal that somebody sends during the restore still reaches the program.
func (w *writer) forget() {
	for which := range w.m.process.Timers.Interval {
		w.b.Call("stop the restart's interval timer", abi.SysSetitimer, plan.Imm(uint64(which)), w.b.Data(words(0, 0, 0, 0)), plan.Imm(0))
	}
	own := w.p.host.status
	pending := own.SigPnd | own.ShdPnd
	for _, sig := range []syscall.Signal{syscall.SIGURG, syscall.SIGALRM, syscall.SIGVTALRM, syscall.SIGPROF} {
		pending |= 1 << (sig - 1)
	}
	const ignore = 1 // SIG_IGN, which drops those that are pending
	for ; pending != 0; pending &= pending - 1 {
		sig := bits.TrailingZeros64(pending) + 1
		w.b.Call(fmt.Sprintf("forget a signal %d of the restart", sig), abi.SysRtSigaction, plan.Imm(uint64(sig)),
			w.b.Data(words(ignore, 0, 0, 0)), plan.Imm(0), plan.Imm(8))
	}
}
