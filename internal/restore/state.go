package restore

import (
	"encoding/binary"
	"fmt"
	"os"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// words encodes 64-bit words as the kernel's structures have them.
func words(v ...uint64) []byte {
	b := make([]byte, 0, 8*len(v))
	for _, w := range v {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// bounds tells the kernel where code, heap, stack, arguments and environment
// are, and which file is executed: /proc/PID/exe, cmdline and brk(2) follow
// from it. Only the file needs privileges; it is a second try, after the
// executable of the interpreter was unmapped.
func (w *writer) bounds() {
	m := w.m.process.Memory
	auxv := w.b.AlignedData(w.m.process.Auxv, 8)
	structure := func(exe uint64) plan.Arg {
		// struct prctl_mm_map; the address of auxv is the block's.
		b := words(
			uint64(m.StartCode), uint64(m.EndCode), uint64(m.StartData), uint64(m.EndData),
			uint64(m.StartBrk), uint64(m.Brk), uint64(m.StartStack),
			uint64(m.ArgStart), uint64(m.ArgEnd), uint64(m.EnvStart), uint64(m.EnvEnd),
			w.block+auxv.Imm, uint64(len(w.m.process.Auxv))|exe<<32)
		return w.b.Data(b)
	}
	call := func(what string, s plan.Arg) plan.Step {
		const size = 104
		return w.b.Call(what, abi.SysPrctl, plan.Imm(abi.PrSetMM), plan.Imm(abi.PrSetMMMap), s, plan.Imm(size))
	}
	const none = 1<<32 - 1
	call("set the bounds of heap, stack and arguments", structure(none))
	if exe := w.p.files.executable(w.m.process); exe != nil {
		call("set /proc/self/exe", structure(uint64(exe.Fd()))).MayFail()
	}
}

// executable is the program's file, if it is still the same; nil if not.
func (f *files) executable(process *image.Process) *os.File {
	for i := range process.Areas {
		a := &process.Areas[i]
		if a.File >= 0 && a.Name == process.Exe && a.Kind == image.PrivateFile {
			return f.made[a.File]
		}
	}
	return nil
}

// processState sets what prctl(2) keeps for the process.
func (w *writer) processState() {
	a := w.m.process.Attributes
	set := func(what string, op, value uint64) plan.Step {
		return w.b.Call(what, abi.SysPrctl, plan.Imm(op), plan.Imm(value))
	}
	w.name()
	set("set the subreaper attribute", abi.PrSetChildSubreaper, flag(a.Subreaper))
	set("set the THP setting", abi.PrSetTHPDisable, flag(a.THPDisable)).MayFail()
	if a.NoNewPrivs {
		set("set no_new_privs", abi.PrSetNoNewPrivs, 1)
	}
}

func (w *writer) name() {
	w.b.Call("set the thread's name", abi.SysPrctl, plan.Imm(abi.PrSetName), w.b.CString(w.t.Comm))
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// threadState sets what the kernel keeps for the thread whose list is written.
func (w *writer) threadState() {
	t := w.t
	w.b.Call("set the timer slack", abi.SysPrctl, plan.Imm(abi.PrSetTimerSlack), plan.Imm(t.TimerSlack))
	w.b.Call("set the FS base", abi.SysArchPrctl, plan.Imm(abi.ArchSetFS), plan.Imm(t.Regs.FsBase))
	w.b.Call("set the GS base", abi.SysArchPrctl, plan.Imm(abi.ArchSetGS), plan.Imm(t.Regs.GsBase))
	if t.TIDAddress != 0 {
		tid := w.b.Slot()
		w.b.Call("set the tid address", abi.SysSetTidAddress, plan.Imm(uint64(t.TIDAddress))).Store(tid)
		if w.writable(t.TIDAddress, 4) {
			// The C library keeps the thread id there, for abort, raise and
			// the owner of a mutex.
			w.b.Poke32If("tell the program its new thread id", plan.Imm(uint64(t.TIDAddress)), plan.Imm(uint64(t.TID)), plan.Arg{Slot: tid})
		}
		w.b.Free(tid)
	}
	if t.RobustList.Head != 0 {
		w.b.Call("set the robust list", abi.SysSetRobustList, plan.Imm(uint64(t.RobustList.Head)), plan.Imm(t.RobustList.Size))
	}
	if t.Rseq.Area != 0 {
		w.b.Call("register restartable sequences", abi.SysRseq, plan.Imm(t.Rseq.Area), plan.Imm(uint64(t.Rseq.Size)),
			plan.Imm(0), plan.Imm(uint64(t.Rseq.Signature)))
	}
	if s := altStack(t); s.Flags&abi.SSDisable == 0 {
		w.b.Call("set the alternate signal stack", abi.SysSigaltstack, w.b.Data(words(s.SP, uint64(uint32(s.Flags)), s.Size)))
	}
	w.queueOwn()
}

// queueOwn queues the signals that were sent to the thread alone. Only it may do
// that (kernel/signal.c, do_rt_tgsigqueueinfo).
func (w *writer) queueOwn() {
	if len(w.t.Pending) == 0 {
		return
	}
	self := w.b.Slot()
	w.b.Call("ask for the thread's id", abi.SysGettid).Store(self)
	for _, info := range w.t.Pending {
		w.b.Call("queue a pending signal", abi.SysRtTgsigqueueinfo, plan.Int(w.newPID()), plan.Arg{Slot: self}, plan.Int(signo(info)), w.b.Data(info))
	}
	w.b.Free(self)
}

// writable reports whether the program itself could write n bytes at addr.
func (w *writer) writable(addr image.Addr, n uint64) bool {
	for i := range w.m.process.Areas {
		a := &w.m.process.Areas[i]
		if a.Start <= addr && addr < a.End && n <= uint64(a.End-addr) {
			return a.Prot&image.ProtWrite != 0
		}
	}
	return false
}

// signals sets all actions, then queues what was pending. Everything is
// blocked until the program has its own mask back.
func (w *writer) signals() {
	const sigKill, sigStop = 9, 19
	for sig := 1; sig <= abi.NSig; sig++ {
		if sig == sigKill || sig == sigStop {
			continue
		}
		w.signalAction(sig)
	}
	w.queue(func(int) bool { return true })
}

func (w *writer) signalAction(sig int) {
	a := w.m.process.Signals.Actions[sig] // default if it is not there
	w.b.Call(fmt.Sprintf("set the action for signal %d", sig), abi.SysRtSigaction, plan.Imm(uint64(sig)),
		w.b.Data(words(a.Handler, a.Flags, a.Restorer, a.Mask)), plan.Imm(0), plan.Imm(8))
}

// queue queues the signals that were pending for the process.
func (w *writer) queue(wanted func(sig int) bool) {
	pid := plan.Int(w.newPID())
	for _, info := range w.m.process.Signals.Pending {
		if sig := signo(info); wanted(sig) {
			w.b.Call("queue a pending signal", abi.SysRtSigqueueinfo, pid, plan.Int(sig), w.b.Data(info))
		}
	}
}
