package sys

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// As says in whose name a system call is made: the kernel notes who makes a unix
// socket, connects it, or sends through it. nil is this process. Else it is a
// process with that id, which is made for the call, shares this one's
// descriptors, and ends after it.
type As struct {
	PID      int
	UID, GID uint32 // effective
}

// inName is what the process for one call needs, and its result. It is shared
// with it.
type inName struct {
	args     cloneArgs
	tid      int32
	uid, gid uintptr
	own      [2]uintptr // the ids of this process
	nr       uintptr
	a        [4]uintptr
	result   uintptr
	errno    unix.Errno
	pair     [2]int32 // for socketpair
}

// call makes a system call. What an argument points to must be in keep, or it
// could be gone by then.
func (as *As) call(keep any, nr uintptr, a [4]uintptr) (uintptr, error) {
	defer runtime.KeepAlive(keep)
	if as == nil || as.here() {
		r, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], 0, 0)
		return r, errnoOrNil(errno)
	}
	s, done, err := as.share()
	if err != nil {
		return 0, err
	}
	defer done()
	s.nr, s.a = nr, a
	err = as.run(s)
	return s.result, err
}

// pair is socketpair(2).
func (as *As) pair(typ int) ([2]int, error) {
	if as == nil || as.here() {
		return unix.Socketpair(unix.AF_UNIX, typ, 0)
	}
	s, done, err := as.share()
	if err != nil {
		return [2]int{}, err
	}
	defer done()
	s.nr, s.a = unix.SYS_SOCKETPAIR, [4]uintptr{unix.AF_UNIX, uintptr(typ), 0, uintptr(unsafe.Pointer(&s.pair))}
	err = as.run(s)
	return [2]int{int(s.pair[0]), int(s.pair[1])}, err
}

// here reports whether this process is the one.
func (as *As) here() bool {
	return as.PID == os.Getpid() && int(as.UID) == os.Geteuid() && int(as.GID) == os.Getegid()
}

// share makes memory that a new process has in common with this one.
func (as *As) share() (s *inName, done func(), err error) {
	b, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(inName{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return (*inName)(unsafe.Pointer(&b[0])), func() { _ = unix.Munmap(b) }, nil
}

// run makes the process for the call, and waits for its end.
func (as *As) run(s *inName) error {
	s.tid, s.uid, s.gid = int32(as.PID), uintptr(as.UID), uintptr(as.GID)
	s.own = [2]uintptr{uintptr(os.Geteuid()), uintptr(os.Getegid())}
	s.args = cloneArgs{flags: unix.CLONE_FILES, setTID: uint64(uintptr(unsafe.Pointer(&s.tid))), setTIDSize: 1}

	// The new process has the handlers of the Go runtime and must not run them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all, was := ^uint64(0), uint64(0)
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&was)), 8, 0, 0); errno != 0 {
		return os.NewSyscallError("rt_sigprocmask", errno)
	}
	pid, errno := callInName(s)
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&was)), 0, 8, 0, 0)
	if errno != 0 {
		return fmt.Errorf("act as process %d: %w", as.PID, os.NewSyscallError("clone3", errno))
	}
	var status unix.WaitStatus
	if err := retry(func() error { _, err := unix.Wait4(pid, &status, unix.WALL, nil); return err }); err != nil {
		return os.NewSyscallError("wait4", err)
	}
	if !status.Exited() {
		return errors.New("the process that acts for another one was killed")
	}
	return errnoOrNil(s.errno)
}

// callInName makes the process. There it must do nothing but raw system calls,
// like syscall.forkAndExecInChild: other threads' locks are never released in it.
//
//go:noinline
//go:norace
//go:nocheckptr
func callInName(s *inName) (int, unix.Errno) {
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&s.args)), unsafe.Sizeof(s.args), 0)
	if pid != 0 || errno != 0 {
		return int(pid), errno
	}
	const keep = ^uintptr(0)
	if s.gid != s.own[1] {
		_, _, s.errno = unix.RawSyscall(unix.SYS_SETRESGID, keep, s.gid, keep)
	}
	if s.uid != s.own[0] && s.errno == 0 {
		_, _, s.errno = unix.RawSyscall(unix.SYS_SETRESUID, keep, s.uid, keep)
		// What leads to a socket is this process's.
		unix.RawSyscall(unix.SYS_SETFSUID, s.own[0], 0, 0)
	}
	if s.errno == 0 {
		s.result, _, s.errno = unix.RawSyscall6(s.nr, s.a[0], s.a[1], s.a[2], s.a[3], 0, 0)
	}
	for {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}
