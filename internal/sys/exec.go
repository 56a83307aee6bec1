package sys

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ExecutableFile puts a program into a file without a name, for ExecFD: in
// memory, or, where executing that is forbidden (vm.memfd_noexec), on the first
// of the usual file systems that allows it.
func ExecutableFile(program []byte) (*os.File, error) {
	f, err := executableMemfd(program)
	if err == nil {
		return f, nil
	}
	for _, dir := range []string{os.TempDir(), "/var/tmp", "/dev/shm", "."} {
		f, terr := executableTemp(dir, program)
		if terr == nil {
			return f, nil
		}
		err = errors.Join(err, terr)
	}
	return nil, err
}

func executableMemfd(program []byte) (*os.File, error) {
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

// executableTemp makes the file in dir. It is opened anew for reading: what
// somebody writes to can not be executed (ETXTBSY).
func executableTemp(dir string, program []byte) (*os.File, error) {
	w, err := os.OpenFile(dir, unix.O_TMPFILE|unix.O_RDWR, 0o700)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	link := fmt.Sprintf("/proc/self/fd/%d", w.Fd())
	if err := unix.Access(link, unix.X_OK); err != nil {
		return nil, &os.PathError{Op: "execute in", Path: dir, Err: err} // mounted noexec
	}
	return os.Open(link)
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

// DieBy ends this process by a signal, whatever the Go runtime would make of it.
func DieBy(sig syscall.Signal) error {
	var defaults [4]uint64 // struct sigaction: SIG_DFL, no flags, no mask
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&defaults)), 0, 8, 0, 0)
	if errno != 0 && sig != unix.SIGKILL {
		return os.NewSyscallError("rt_sigaction", errno)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var mask uint64
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&mask)), 0, 8, 0, 0)
	return unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
}

// SetPersonality is personality(2).
func SetPersonality(p uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, uintptr(p), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("personality", errno)
	}
	return nil
}
