package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Affinity returns the CPU mask of a thread (sched_getaffinity(2)) as words of
// 64 CPUs, without trailing zero words. 0 is the calling thread.
func Affinity(tid int) ([]uint64, error) {
	mask := make([]uint64, 128) // 8192 CPUs, the kernel's largest NR_CPUS
	n, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, uintptr(tid), uintptr(len(mask)*8), uintptr(unsafe.Pointer(&mask[0])))
	if errno != 0 {
		return nil, os.NewSyscallError("sched_getaffinity", errno)
	}
	mask = mask[:n/8]
	for len(mask) > 0 && mask[len(mask)-1] == 0 {
		mask = mask[:len(mask)-1]
	}
	return mask, nil
}

// SetAffinity sets the CPU mask of a thread. EINVAL means that none of the
// CPUs is available.
func SetAffinity(tid int, mask []uint64) error {
	if len(mask) == 0 {
		return os.NewSyscallError("sched_setaffinity", unix.EINVAL)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, uintptr(tid), uintptr(len(mask)*8), uintptr(unsafe.Pointer(&mask[0])))
	if errno != 0 {
		return os.NewSyscallError("sched_setaffinity", errno)
	}
	return nil
}

// Scheduler returns the policy (SCHED_*) and real-time priority of a thread.
func Scheduler(tid int) (policy, priority int, err error) {
	p, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, uintptr(tid), 0, 0)
	if errno != 0 {
		return 0, 0, os.NewSyscallError("sched_getscheduler", errno)
	}
	var prio int32
	if _, _, errno = unix.RawSyscall(unix.SYS_SCHED_GETPARAM, uintptr(tid), uintptr(unsafe.Pointer(&prio)), 0); errno != 0 {
		return 0, 0, os.NewSyscallError("sched_getparam", errno)
	}
	return int(p), int(prio), nil
}

// SetScheduler sets the policy and real-time priority of a thread.
func SetScheduler(tid, policy, priority int) error {
	prio := int32(priority)
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(tid), uintptr(policy), uintptr(unsafe.Pointer(&prio)))
	if errno != 0 {
		return os.NewSyscallError("sched_setscheduler", errno)
	}
	return nil
}

// IOPriority returns ioprio_get(2) of a thread.
func IOPriority(tid int) (int, error) {
	const ioprioWhoProcess = 1
	p, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, uintptr(tid), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("ioprio_get", errno)
	}
	return int(p), nil
}

// SetIOPriority is ioprio_set(2) for a thread.
func SetIOPriority(tid, priority int) error {
	const ioprioWhoProcess = 1
	_, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, uintptr(tid), uintptr(priority))
	if errno != 0 {
		return os.NewSyscallError("ioprio_set", errno)
	}
	return nil
}

// Nice returns the nice value of a thread (getpriority(2)).
func Nice(tid int) (int, error) {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	return 20 - n, os.NewSyscallError("getpriority", err) // the kernel gives 1 to 40
}

// SetNice sets the nice value of a thread (setpriority(2)).
func SetNice(tid, nice int) error {
	return os.NewSyscallError("setpriority", unix.Setpriority(unix.PRIO_PROCESS, tid, nice))
}
