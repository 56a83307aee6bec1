package tests

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// runUntilPtrace runs a command and kills it with SIGKILL at the moment it has
// made its kill-th ptrace(2) request, in whatever state that has brought the
// process that it traces: the one place where nothing of the command's own
// can clean up any more. It returns the number of requests that were made;
// fewer than kill if the command came to its end.
//
// A tracer is an ordinary process, so it can be traced itself. A filter stops it
// at these calls only (seccomp(2)): it makes thousands of others.
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
	if err := stopAtPtrace(); err != nil {
		return 0, err
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace, cmd.SysProcAttr.Setpgid = true, true
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	leader := cmd.Process.Pid
	defer func() { _ = cmd.Process.Release() }()

	var ws unix.WaitStatus
	if _, err := unix.Wait4(leader, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
		return 0, fmt.Errorf("wait for the first stop of %d: %w (%x)", leader, err, ws)
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_EXITKILL
	if err := ptrace(unix.PTRACE_SETOPTIONS, leader, options); err != nil {
		return 0, fmt.Errorf("trace %d: %w", leader, err)
	}
	if err := ptrace(unix.PTRACE_CONT, leader, 0); err != nil {
		return 0, fmt.Errorf("resume %d: %w", leader, err)
	}

	fresh := map[int]bool{} // threads whose first stop has been seen
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
		resume, deliver := unix.PTRACE_CONT, 0
		switch sig := ws.StopSignal(); {
		case sig == unix.SIGTRAP|0x80: // the request has been made
			if err := unix.Kill(leader, unix.SIGKILL); err != nil {
				return requests, fmt.Errorf("kill %d: %w", leader, err)
			}
			continue
		case sig == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
			if requests++; requests == kill {
				resume = unix.PTRACE_SYSCALL
			}
		case sig == unix.SIGTRAP && ws.TrapCause() > 0:
		case sig == unix.SIGSTOP && tid != leader && !fresh[tid]:
			fresh[tid] = true
		default:
			deliver = int(sig)
		}
		// It fails if the thread has been killed meanwhile, which is seen next.
		_ = ptrace(resume, tid, deliver)
	}
}

// ours is the address in the requests of this file, by which the filter tells
// them from others: the kernel does not look at it (ptrace(2)).
const ours = 0x6f757273

// ptrace makes a request that has no address.
func ptrace(request, tid, data int) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), ours, uintptr(data), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// stopAtPtrace makes all that this thread will start stop at each ptrace(2) but
// the first, PTRACE_TRACEME.
func stopAtPtrace() error {
	const (
		load, equal, give = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		// Offsets in struct seccomp_data.
		number, request, address = 0, 16, 32
	)
	filter := []unix.SockFilter{
		{Code: load, K: number},
		{Code: equal, K: unix.SYS_PTRACE, Jf: 4},
		{Code: load, K: request},
		{Code: equal, K: unix.PTRACE_TRACEME, Jt: 2},
		{Code: load, K: address},
		{Code: equal, K: ours, Jf: 1},
		{Code: give, K: unix.SECCOMP_RET_ALLOW},
		{Code: give, K: unix.SECCOMP_RET_TRACE},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
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
