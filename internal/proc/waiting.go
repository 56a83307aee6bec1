package proc

import "bytes"

// Wchan is the kernel function that the thread sleeps in, "0" if it does not
// or we may not know.
func (p Process) Wchan() (string, error) {
	b, err := p.dir.bytes("wchan", maxSmall)
	return string(b), err
}

// SyscallState is what a thread is doing in the kernel.
type SyscallState struct {
	Running bool      // on a processor now: nothing else is known
	Nr      int       // of the system call; -1: blocked outside of one
	Args    [6]uint64 // 0 if Nr is -1
	SP, PC  uint64
}

// Syscall reads /proc/PID/syscall of a thread. Needs permission to attach by
// ptrace; missing where the kernel has no CONFIG_HAVE_ARCH_TRACEHOOK.
func (p Process) Syscall() (SyscallState, error) {
	b, err := p.dir.line("syscall")
	if err != nil {
		return SyscallState{}, err
	}
	s, ok := parseSyscall(b)
	if !ok {
		return SyscallState{}, p.badValue("syscall", b)
	}
	return s, nil
}

// parseSyscall reads "running", "-1 SP PC" or "NR ARG... SP PC"
// (proc_pid_syscall in fs/proc/base.c).
func parseSyscall(b []byte) (s SyscallState, ok bool) {
	if string(b) == "running" {
		return SyscallState{Running: true}, true
	}
	f := bytes.Split(b, []byte(" "))
	if !signed(&s.Nr, f[0]) {
		return s, false
	}
	into := []*uint64{&s.SP, &s.PC}
	if s.Nr != -1 {
		a := &s.Args
		into = []*uint64{&a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &s.SP, &s.PC}
	}
	if len(f)-1 != len(into) {
		return s, false
	}
	for i, dst := range into {
		digits, hex := bytes.CutPrefix(f[i+1], []byte("0x"))
		if !hex || !unsigned(dst, digits, 16) {
			return s, false
		}
	}
	return s, true
}
