package sys

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StartBeside starts this very program once more, in namespaces of another
// process: those of flags (CLONE_NEW*), and in the directory dir there. Only a
// process of one thread may enter a user namespace, and only children of who
// enters a pid namespace are in it: so it is a grandchild that goes on, as our
// child, in a process group of its own.
func StartBeside(pid int, flags uintptr, dir string, argv, env []string) (int, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(pidfd)
	program, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: "/proc/self/exe", Err: err}
	}
	defer unix.Close(program)
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return 0, os.NewSyscallError("mmap", err)
	}
	defer func() { _ = unix.Munmap(page) }()
	e := &entry{pidfd: uintptr(pidfd), flags: flags, program: uintptr(program), told: (*told)(unsafe.Pointer(&page[0]))}
	if e.dir, err = syscall.BytePtrFromString(dir); err != nil {
		return 0, err
	}
	if e.argv, err = syscall.SlicePtrFromStrings(argv); err != nil {
		return 0, err
	}
	if e.env, err = syscall.SlicePtrFromStrings(env); err != nil {
		return 0, err
	}

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A handler of the Go runtime must not run in a copy of this process.
	all := ^uint64(0)
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&e.mask)), 8, 0, 0)
	first, errno := e.start()
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&e.mask)), 0, 8, 0, 0)
	if errno != 0 {
		return 0, os.NewSyscallError("clone", errno)
	}
	var status unix.WaitStatus
	for {
		if _, err = unix.Wait4(int(first), &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	switch {
	case err != nil:
		return 0, os.NewSyscallError("wait4", err)
	case e.told.errno != 0:
		return 0, os.NewSyscallError([]string{"setns", "chdir", "clone"}[e.told.at], unix.Errno(e.told.errno))
	}
	return int(e.told.pid), nil
}

// entry is what the copies of this process need: nothing is allocated there.
type entry struct {
	pidfd, flags, program uintptr
	dir                   *byte
	argv, env             []*byte
	mask, empty           uint64
	told                  *told
}

// told is what they tell, in shared memory.
type told struct {
	pid       int32 // of the grandchild, as we see it
	at, errno int32 // the call that failed
}

// start makes the copies. In them only what is marked nosplit may run: growing a
// stack can take locks that threads hold which are not there any more.
//
//go:norace
//go:nosplit
func (e *entry) start() (uintptr, unix.Errno) {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if pid != 0 || errno != 0 {
		return pid, errno
	}
	e.enter()
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

//go:norace
//go:nosplit
func (e *entry) enter() {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETNS, e.pidfd, e.flags, 0); errno != 0 {
		e.told.at, e.told.errno = 0, int32(errno)
		return
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_CHDIR, uintptr(unsafe.Pointer(e.dir)), 0, 0); errno != 0 {
		e.told.at, e.told.errno = 1, int32(errno)
		return
	}
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD)|unix.CLONE_PARENT|unix.CLONE_PARENT_SETTID, 0,
		uintptr(unsafe.Pointer(&e.told.pid)), 0, 0, 0)
	if errno != 0 {
		e.told.at, e.told.errno = 2, int32(errno)
	}
	if pid != 0 || errno != 0 {
		return
	}
	// Signals of the terminal reach us, who hand them on, once. And it may write
	// there all the same.
	_, _, _ = unix.RawSyscall(unix.SYS_SETPGID, 0, 0, 0)
	ignore := [4]uint64{1} // struct sigaction: SIG_IGN
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGTTOU), uintptr(unsafe.Pointer(&ignore)), 0, 8, 0, 0)
	// What is ignored stays so, as with every execve.
	for sig := uintptr(1); sig <= 64; sig++ {
		var action [4]uint64 // struct sigaction
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&action)), 8, 0, 0)
		if action[0] > 1 {
			action = [4]uint64{}
			_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
		}
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&e.mask)), 0, 8, 0, 0)
	_, _, _ = unix.RawSyscall6(unix.SYS_EXECVEAT, e.program, uintptr(unsafe.Pointer(&e.empty)),
		uintptr(unsafe.Pointer(&e.argv[0])), uintptr(unsafe.Pointer(&e.env[0])), unix.AT_EMPTY_PATH, 0)
}
