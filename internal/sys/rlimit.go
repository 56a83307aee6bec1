package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Resource limits with a meaning of their own in a restore.
const (
	RlimitData       = unix.RLIMIT_DATA
	RlimitCore       = unix.RLIMIT_CORE
	RlimitStack      = unix.RLIMIT_STACK
	RlimitNofile     = unix.RLIMIT_NOFILE
	RlimitMemlock    = unix.RLIMIT_MEMLOCK
	RlimitSigpending = unix.RLIMIT_SIGPENDING
	RlimitAS         = unix.RLIMIT_AS
)

// Limit is a resource limit of this process, see prlimit(2). The soft limit of
// open files is one that the Go runtime has raised.
func Limit(resource int) (cur, max uint64, err error) { return LimitOf(0, resource) }

// LimitOf is Limit of another process. EPERM: it has another user or group, and we have
// no CAP_SYS_RESOURCE.
func LimitOf(pid, resource int) (cur, max uint64, err error) {
	var l unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &l); err != nil {
		return 0, 0, os.NewSyscallError("prlimit64", err)
	}
	return l.Cur, l.Max, nil
}

// SetLimit sets a resource limit of this process. EPERM: raising max takes
// CAP_SYS_RESOURCE.
func SetLimit(resource int, cur, max uint64) error {
	return os.NewSyscallError("prlimit64", unix.Prlimit(0, resource, &unix.Rlimit{Cur: cur, Max: max}, nil))
}
