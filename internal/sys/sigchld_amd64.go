package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"ckpt/internal/abi"
)

// NoChildStopSignals sets SA_NOCLDSTOP: no SIGCHLD comes for the stops of
// children and traced threads. A tracer gets one for every stop otherwise, and
// each costs it more than the request that it makes then. The handler, which
// is the Go runtime's, stays as it is.
func NoChildStopSignals() error {
	const noCldStop = 1
	var a abi.SigAction
	if err := rtSigaction(nil, &a); err != nil {
		return err
	}
	a.Flags |= noCldStop
	return rtSigaction(&a, nil)
}

func rtSigaction(set, old *abi.SigAction) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), abi.NSig/8, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_sigaction", errno)
	}
	return nil
}
