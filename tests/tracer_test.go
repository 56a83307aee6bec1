package tests

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// runUntilPtrace runs a command and kills it with SIGKILL at the moment it has
// made its kill-th ptrace(2) request, in whatever state that has brought the
// process that it traces: the one place where nothing of the command's own
// can clean up any more. It returns the number of requests that were made;
// fewer than kill if the command came to its end.
//
// A tracer is an ordinary process, so it can be traced itself: all of its
// threads stop at each system call, and the requests are counted there.
func runUntilPtrace(cmd *exec.Cmd, kill int) (requests int, err error) {
	type outcome struct {
		n   int
		err error
	}
	done := make(chan outcome)
	go func() {
		// ptrace and __WNOTHREAD are bound to this thread. It is not unlocked:
		// the thread ends with the goroutine, and whatever it still traces too.
		runtime.LockOSThread()
		n, err := traceThread(cmd, kill)
		done <- outcome{n, err}
	}()
	o := <-done
	return o.n, o.err
}

func traceThread(cmd *exec.Cmd, kill int) (requests int, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	leader := cmd.Process.Pid
	defer func() { _ = cmd.Process.Release() }()

	var ws unix.WaitStatus
	if _, err := unix.Wait4(leader, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
		return 0, fmt.Errorf("wait for the first stop of %d: %w (%x)", leader, err, ws)
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(leader, options); err != nil {
		return 0, fmt.Errorf("trace %d: %w", leader, err)
	}
	if err := unix.PtraceSyscall(leader, 0); err != nil {
		return 0, fmt.Errorf("resume %d: %w", leader, err)
	}

	inCall := map[int]bool{} // threads that are between entry and exit
	fresh := map[int]bool{}  // threads whose first stop has been seen
	for {
		// Not wait4(-1): this thread may have other children, of other tests.
		tid, err := unix.Wait4(-leader, &ws, unix.WALL|unix.WNOTHREAD, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return requests, fmt.Errorf("wait for the threads of %d: %w", leader, err)
		}
		if ws.Exited() || ws.Signaled() {
			if tid == leader {
				return requests, endError(ws, kill, requests)
			}
			continue
		}
		deliver := 0
		switch sig := ws.StopSignal(); {
		case sig == unix.SIGTRAP|0x80:
			inCall[tid] = !inCall[tid]
			number, err := callNumber(tid)
			if err != nil {
				continue // it is dying
			}
			if number != unix.SYS_PTRACE || inCall[tid] {
				break
			}
			if requests++; requests == kill {
				if err := unix.Kill(leader, unix.SIGKILL); err != nil {
					return requests, fmt.Errorf("kill %d: %w", leader, err)
				}
				continue
			}
		case sig == unix.SIGTRAP && ws.TrapCause() > 0:
		case sig == unix.SIGSTOP && tid != leader && !fresh[tid]:
			fresh[tid] = true
		default:
			deliver = int(sig)
		}
		// It fails if the thread has been killed meanwhile, which is seen next.
		_ = unix.PtraceSyscall(tid, deliver)
	}
}

func callNumber(tid int) (uint64, error) {
	var regs unix.PtraceRegs
	err := unix.PtraceGetRegs(tid, &regs)
	return regs.Orig_rax, err
}

// endError is nil if the command ended as it should: by its end with status
// 0, or killed at the request where it was to be killed.
func endError(ws unix.WaitStatus, kill, requests int) error {
	if ws.Exited() && ws.ExitStatus() == 0 && requests < kill {
		return nil
	}
	if ws.Signaled() && ws.Signal() == unix.SIGKILL && requests == kill {
		return nil
	}
	return fmt.Errorf("it ended with %v after %d requests", describeStatus(ws), requests)
}

func describeStatus(ws unix.WaitStatus) string {
	if ws.Signaled() {
		return ws.Signal().String()
	}
	return fmt.Sprintf("status %d", ws.ExitStatus())
}
