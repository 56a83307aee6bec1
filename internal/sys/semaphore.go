package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// semctlGetPID is GETPID of include/uapi/linux/sem.h.
const semctlGetPID = 11

// SemaphoreUser gives the process that last changed the semaphore n of a System V
// set; 0: none, or not in our pid namespace. It takes permission to read the set.
func SemaphoreUser(set, n int) (int, error) {
	pid, _, errno := unix.Syscall(unix.SYS_SEMCTL, uintptr(set), uintptr(n), semctlGetPID)
	if errno != 0 {
		return 0, os.NewSyscallError("semctl", errno)
	}
	return int(pid), nil
}
