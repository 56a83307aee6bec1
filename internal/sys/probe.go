package sys

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file asks the kernel what it allows, for ckpt doctor. Nothing is changed.

// ProbeUserfaultfd returns why there is no userfaultfd(2) for the memory of
// one's own processes, or nil.
func ProbeUserfaultfd() error {
	const userModeOnly = 1 // UFFD_USER_MODE_ONLY, linux/userfaultfd.h
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|userModeOnly, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("userfaultfd", errno)
	}
	return unix.Close(int(fd))
}

// cloneArgs is struct clone_args of linux/sched.h as of Linux 5.5.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal uint64
	stack, stackSize, tls, setTID, setTIDSize     uint64
}

// ProbeSetTID returns why clone3(2) may not choose the id of a new process, or
// nil. It asks for its own, which is taken: the kernel checks the permission
// first (alloc_pid in kernel/pid.c) and makes no process in any case.
func ProbeSetTID() error {
	tid := int32(os.Getpid())
	args := cloneArgs{exitSignal: uint64(unix.SIGCHLD), setTIDSize: 1}
	args.setTID = uint64(uintptr(unsafe.Pointer(&tid)))
	_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if errno == unix.EEXIST {
		return nil
	}
	return os.NewSyscallError("clone3", errno)
}

// CloseRestOnExec makes all descriptors from 3 on close-on-exec, so that a
// child does not inherit what was left open by whoever started this process.
func CloseRestOnExec() error {
	err := unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return nil // before Linux 5.11: it is only a nicety
	}
	return os.NewSyscallError("close_range", err)
}
