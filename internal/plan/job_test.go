package plan_test

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ckpt/internal/plan"
)

// The test binary does a job instead of testing if jobEnv is set.
const (
	jobEnv       = "CKPT_TEST_PLAN_JOB"
	execRestorer = "exec" // execute descriptor jobFD
	runBlock     = "run"  // execute the plan in jobFD by plan.Run
	jobFD        = 3
)

func TestMain(m *testing.M) {
	job, ok := os.LookupEnv(jobEnv)
	if !ok {
		os.Exit(m.Run())
	}
	// Plans change what belongs to the thread.
	runtime.LockOSThread()
	os.Unsetenv(jobEnv)
	err := prepare()
	if err == nil && job == execRestorer {
		err = execFile(jobFD)
	} else if err == nil {
		err = runPlan(jobFD)
	}
	os.Stderr.WriteString("ckpt: " + err.Error() + "\n")
	var step *plan.StepError
	if errors.As(err, &step) {
		os.Exit(plan.ExitStatus)
	}
	os.Exit(1)
}

// prepare makes the process's descriptors the same, whatever it inherited:
// the lowest free one is firstFD.
func prepare() error {
	for fd := jobFD + 1; fd < firstFD; fd++ {
		if err := unix.Dup2(0, fd); err != nil {
			return err
		}
	}
	unix.Umask(0o22)
	return unix.CloseRange(firstFD, 1<<31-1, 0)
}

func execFile(fd int) error {
	empty, null := new(byte), new(*byte)
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(empty)),
		uintptr(unsafe.Pointer(null)), uintptr(unsafe.Pointer(null)), unix.AT_EMPTY_PATH, 0)
	return errno
}

// runPlan executes the plan of the block in a file with Run, at the place
// where the assembly would have put it.
func runPlan(fd int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	block := make([]byte, stat.Size)
	if _, err := unix.Pread(fd, block, 0); err != nil {
		return err
	}
	p, o, err := plan.Decode(block)
	if err != nil {
		return err
	}
	const readWrite, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED_NOREPLACE
	if _, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(o.Park), uintptr(len(block)), readWrite, flags, ^uintptr(0), 0); errno != 0 {
		return errno
	}
	if _, err := (ownMemory{}).WriteAt(p.Data, int64(o.Park+plan.DataOffset)); err != nil {
		return err
	}
	m := &plan.Machine{Memory: ownMemory{}}
	m.Slots[plan.Base] = o.Park
	m.Call = func(nr uint32, args [6]uint64) uint64 {
		if nr == unix.SYS_WRITE && args[1] == o.Park+plan.HdrSlots {
			args[1] = uint64(uintptr(unsafe.Pointer(&m.Slots)))
		}
		r, _, errno := unix.RawSyscall6(uintptr(nr), uintptr(args[0]), uintptr(args[1]), uintptr(args[2]), uintptr(args[3]), uintptr(args[4]), uintptr(args[5]))
		if errno != 0 {
			return -uint64(errno)
		}
		return uint64(r)
	}
	// Whoever starts a walker waits for it at once.
	m.Spawn = func(_ uint32, _ [6]uint64, walk func()) uint64 {
		walk()
		return 1
	}
	if err := plan.Run(p, m); err != nil {
		return err
	}
	return errors.New("the plan did not exit")
}

// ownMemory is this process's memory.
type ownMemory struct{}

func (ownMemory) ReadAt(b []byte, addr int64) (int, error) {
	return move(b, addr, unix.ProcessVMReadv)
}

func (ownMemory) WriteAt(b []byte, addr int64) (int, error) {
	return move(b, addr, unix.ProcessVMWritev)
}

func move(b []byte, addr int64, how func(int, []unix.Iovec, []unix.RemoteIovec, uint) (int, error)) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	n, err := how(os.Getpid(), local, []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}, 0)
	if err == nil && n < len(b) {
		err = unix.EFAULT
	}
	return n, err
}
