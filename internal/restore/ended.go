package restore

import (
	"fmt"
	"os"
	"syscall"

	"ckpt/internal/sys"
)

// EndedError says how the restored program ended, where restore stayed beside
// it as its parent. It is no failure of restore's.
type EndedError struct{ Status syscall.WaitStatus }

func (e *EndedError) Error() string {
	if e.Status.Signaled() {
		return fmt.Sprintf("the program was killed by signal %d (%v)", int(e.Status.Signal()), e.Status.Signal())
	}
	return fmt.Sprintf("the program ended with status %d", e.Status.ExitStatus())
}

// Exit ends this process as the program ended.
func (e *EndedError) Exit() {
	if e.Status.Signaled() {
		sig := e.Status.Signal()
		_ = sys.SetLimit(sys.RlimitCore, 0, 0) // the program has dumped its own
		_ = sys.DieBy(sig)
		os.Exit(128 + int(sig))
	}
	os.Exit(e.Status.ExitStatus())
}
