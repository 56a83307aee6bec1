package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// RemoteRange is a part of another process's memory.
type RemoteRange struct {
	Start uint64
	Len   int
}

// MaxRemoteRanges is how many ranges ReadRemote takes: IOV_MAX of limits.h.
const MaxRemoteRanges = 1024

// ReadRemote reads ranges of a process's memory, one behind the other, as far as the
// process itself may read them: it ends at the first page that it may not, or that is
// not there, and gives the bytes read. It is process_vm_readv(2), whose permissions are
// those of /proc/PID/mem; EFAULT is that there was not even a first page.
func ReadRemote(pid int, ranges []RemoteRange, b []byte) (int, error) {
	remote := make([]unix.RemoteIovec, len(ranges))
	for i, r := range ranges {
		remote[i] = unix.RemoteIovec{Base: uintptr(r.Start), Len: r.Len}
	}
	if len(b) == 0 {
		return 0, nil
	}
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	n := 0
	err := retry(func() (err error) {
		n, err = unix.ProcessVMReadv(pid, local, remote, 0)
		return err
	})
	return max(n, 0), os.NewSyscallError("process_vm_readv", err)
}
