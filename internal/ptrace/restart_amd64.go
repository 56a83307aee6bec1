package ptrace

import (
	"syscall"

	"ckpt/internal/abi"
)

// What the kernel leaves in Rax of a thread that a stop took out of a system
// call (include/linux/errno.h). No program ever sees these.
const (
	restartSys      = -512 // again, unless a handler without SA_RESTART runs first
	restartNoIntr   = -513 // again, always
	restartNoHand   = -514 // again, unless a handler runs first
	restartByBlock  = -516 // go on by restart_syscall, unless a handler runs first
	syscallInsnSize = 2
)

// Handler says which handler the program has for the first of its signals that
// are pending, not blocked and not ignored: it decides whether an interrupted
// system call fails or starts again.
type Handler int

// Kinds of Handler.
const (
	NoHandler         Handler = iota // no such signal, or one without a handler
	RestartingHandler                // installed with SA_RESTART
	InterruptHandler                 // installed without
)

// RestartRegs gives the registers with which a thread goes on that was stopped
// in a system call, for a restored process (image), which has no kernel state
// of the call, and for the target itself (running).
//
// The target gets the very same registers back, and the kernel restarts the
// call by what it keeps of it. The image executes the call again, in full but
// for what RestOfSleep says.
//
// Some calls fail with EINTR when they are interrupted, even if there is no
// signal: only the stop itself. If no handler is about to run, which would
// explain the error, both execute them again. In the target the kernel sees to
// that, as for other calls: if a signal comes before it has, they fail.
func RestartRegs(r abi.Regs, h Handler) (image, running abi.Regs) {
	image, running = r, r
	image.OrigRax = ^uint64(0)
	if int64(r.OrigRax) < 0 {
		return image, running
	}
	again := image
	again.Rip -= syscallInsnSize
	again.Rax = r.OrigRax

	switch int64(r.Rax) {
	case restartNoIntr:
		return again, running
	case restartSys:
		if h == InterruptHandler {
			return interrupted(image), running
		}
		return again, running
	case restartNoHand:
		if h != NoHandler {
			return interrupted(image), running
		}
		return again, running
	case restartByBlock:
		if h != NoHandler {
			return interrupted(image), running
		}
		return again, running
	case -int64(syscall.EINTR):
		if h == NoHandler && interruptible[r.OrigRax] {
			running.Rax = ^uint64(-restartNoHand) + 1
			return again, running
		}
	}
	return image, running
}

// interrupted lets a call fail with EINTR.
func interrupted(r abi.Regs) abi.Regs {
	r.Rax = ^uint64(syscall.EINTR) + 1
	return r
}

// RestOfSleep reports whether image, which ImageRegs made of stopped, begins a
// sleep anew of which some time has passed already: what is left stands where
// the program wants it. A sleep without a pointer for that is repeated in full.
func RestOfSleep(stopped, image abi.Regs) bool {
	_, remainder := image.Sleep()
	return remainder != 0 && (int64(stopped.Rax) == restartByBlock || stopped.Rax == abi.SysRestartSyscall)
}

// interruptible are the calls that signal(7) lists as never restarted and that
// give EINTR for a stop by SIGSTOP or a tracer as well. The socket calls do so
// only with a timeout (SO_RCVTIMEO, SO_SNDTIMEO).
var interruptible = map[uint64]bool{
	abi.SysEpollWait:      true,
	abi.SysEpollPwait:     true,
	abi.SysEpollPwait2:    true,
	abi.SysRtSigtimedwait: true,
	abi.SysRecvfrom:       true,
	abi.SysRecvmsg:        true,
	abi.SysRecvmmsg:       true,
	abi.SysSendto:         true,
	abi.SysSendmsg:        true,
	abi.SysSendmmsg:       true,
	abi.SysAccept:         true,
	abi.SysAccept4:        true,
	abi.SysConnect:        true,
	abi.SysRead:           true,
	abi.SysReadv:          true,
	abi.SysWrite:          true,
	abi.SysWritev:         true,
	abi.SysSemop:          true,
	abi.SysSemtimedop:     true,
	abi.SysMsgrcv:         true,
	abi.SysMsgsnd:         true,
	abi.SysIoGetevents:    true,
	abi.SysIoPgetevents:   true,
}
