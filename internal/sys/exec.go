package sys

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ExecMemfd puts a program into a file in memory, for ExecFD. Kernels with
// vm.memfd_noexec refuse: EACCES.
func ExecMemfd(program []byte) (*os.File, error) {
	const name = "ckpt-restorer"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC) // before 6.3
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(program); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ExecFD replaces this process by the program in fd, as execveat(2) with
// AT_EMPTY_PATH does. It must be called on the OS thread whose attributes are
// to survive. It returns only with an error.
func ExecFD(fd int, argv, env []string) error {
	args, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return err
	}
	envs, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	empty := [1]byte{}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&envs[0])), unix.AT_EMPTY_PATH, 0)
	return os.NewSyscallError("execveat", errno)
}

// KeepOnExec clears the close-on-exec flag of fd.
func KeepOnExec(fd int) error {
	_, err := fcntl(fd, unix.F_SETFD, 0)
	return err
}

// BlockAllSignals blocks all signals of the calling thread, for good: it is
// for the thread that is about to make an execve.
func BlockAllSignals() error {
	all := ^uint64(0)
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), 0, 8, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_sigprocmask", errno)
	}
	return nil
}

// SetPersonality is personality(2).
func SetPersonality(p uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, uintptr(p), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("personality", errno)
	}
	return nil
}
