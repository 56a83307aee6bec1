package restore

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// TestBounds: struct prctl_mm_map of include/uapi/linux/prctl.h.
func TestBounds(t *testing.T) {
	t.Parallel()
	p := prepared(t, sample(t))
	p.process.Memory = image.Memory{
		StartCode: 1, EndCode: 2, StartData: 3, EndData: 4, StartBrk: 5, Brk: 6, StartStack: 7,
		ArgStart: 8, ArgEnd: 9, EnvStart: 10, EnvEnd: 11,
	}
	p.process.Auxv = bytes.Repeat([]byte{0xaa}, 48)
	const block = 0x100000000000
	pl, ops := steps(t, p, abi.SysPrctl, func(w *writer) {
		w.block = block
		w.bounds()
	})
	if len(ops) != 1 {
		t.Fatalf("%d calls without an executable", len(ops))
	}
	if a := ops[0].Args; a[0].Imm != abi.PrSetMM || a[1].Imm != abi.PrSetMMMap || a[3].Imm != 104 || ops[0].Check != plan.Succeeds {
		t.Errorf("%+v", ops[0])
	}
	w := wordsAt(t, pl, ops[0].Args[2], 13)
	if !slices.Equal(w[:11], []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}) || w[12] != 0xffffffff<<32|48 {
		t.Errorf("%x", w)
	}
	if got := data(t, pl, plan.Arg{Slot: plan.Base, Imm: w[11] - block}, 48); !bytes.Equal(got, p.process.Auxv) {
		t.Errorf("auxv %x", got)
	}
}

func TestThreadState(t *testing.T) {
	t.Parallel()
	p := prepared(t, sample(t))
	p.thread.Regs.FsBase, p.thread.Regs.GsBase = 0x7000, 0x8000
	p.thread.TIDAddress = 0x400010
	p.thread.RobustList = image.RobustList{Head: 0x400020, Size: 24}
	p.thread.Rseq = abi.RseqConfig{Area: 0x400040, Size: 32, Signature: 0x53053053}
	p.thread.AltStack = abi.StackT{SP: 0x401000, Flags: abi.SSOnStack, Size: 8192}
	pl, stacks := steps(t, p, abi.SysSigaltstack, (*writer).threadState)
	if len(stacks) != 1 || !slices.Equal(wordsAt(t, pl, stacks[0].Args[0], 3), []uint64{0x401000, 0, 8192}) {
		t.Errorf("alternate stack %+v: being on it is no setting", stacks)
	}
	for nr, want := range map[uint32][]uint64{
		abi.SysSetRobustList: {0x400020, 24},
		abi.SysRseq:          {0x400040, 32, 0, 0x53053053},
		abi.SysSetTidAddress: {0x400010},
	} {
		ops := calls(pl, nr)
		if len(ops) != 1 {
			t.Errorf("%d calls of %s", len(ops), abi.SyscallName(nr))
			continue
		}
		for i, v := range want {
			if ops[0].Args[i].Imm != v {
				t.Errorf("%s: argument %d is %#x, want %#x", abi.SyscallName(nr), i, ops[0].Args[i].Imm, v)
			}
		}
	}
	bases := calls(pl, abi.SysArchPrctl)
	if len(bases) != 2 || bases[0].Args[0].Imm != abi.ArchSetFS || bases[0].Args[1].Imm != 0x7000 ||
		bases[1].Args[0].Imm != abi.ArchSetGS || bases[1].Args[1].Imm != 0x8000 {
		t.Errorf("bases %+v", bases)
	}
}

// TestThreadStateNone: what the thread does not have is not set.
func TestThreadStateNone(t *testing.T) {
	t.Parallel()
	pl, _ := steps(t, prepared(t, sample(t)), 0, (*writer).threadState)
	for _, nr := range []uint32{abi.SysSetRobustList, abi.SysRseq, abi.SysSetTidAddress, abi.SysSigaltstack} {
		if ops := calls(pl, nr); len(ops) > 0 {
			t.Errorf("%+v", ops)
		}
	}
}

func TestWritable(t *testing.T) {
	t.Parallel()
	p := &preparation{process: &image.Process{Areas: []image.Area{
		{Start: 0x1000, End: 0x2000, Prot: image.ProtRead},
		{Start: 0x2000, End: 0x3000, Prot: rw},
	}}}
	w := &writer{p: p, m: &member{process: p.process}}
	for addr, want := range map[image.Addr]bool{
		0x2000: true, 0x2ffc: true, 0x2ffd: false, 0x1ffe: false, 0x1000: false, 0x3000: false, 0: false, ^image.Addr(1): false,
	} {
		if got := w.writable(addr, 4); got != want {
			t.Errorf("%v: %v, want %v", addr, got, want)
		}
	}
}

// siginfo is a siginfo_t of a signal.
func siginfo(sig int32) []byte {
	b := make([]byte, abi.SiginfoSize)
	binary.LittleEndian.PutUint32(b, uint32(sig))
	return b
}

func TestSignals(t *testing.T) {
	t.Parallel()
	p := prepared(t, sample(t))
	p.process.Signals.Actions = map[int]abi.SigAction{
		10: {Handler: 0x1111, Flags: 0x4000000, Restorer: 0x2222, Mask: 1 << 63}, 9: {Handler: 1}, 64: {Handler: 1},
	}
	p.process.Signals.Pending = [][]byte{siginfo(12)}
	p.thread.Pending = [][]byte{siginfo(64), siginfo(34)}
	pl, actions := steps(t, p, abi.SysRtSigaction, func(w *writer) {
		w.signals()
		w.queueOwn()
	})
	set := map[int][]uint64{}
	for _, op := range actions {
		if op.Args[3].Imm != 8 || op.Args[2].Imm != 0 || op.Check != plan.Succeeds {
			t.Errorf("%+v", op)
		}
		set[int(op.Args[0].Imm)] = wordsAt(t, pl, op.Args[1], 4)
	}
	for sig := 1; sig <= 64; sig++ {
		// struct kernel_sigaction: handler, flags, restorer, mask.
		want := []uint64{0, 0, 0, 0}
		switch sig {
		case 9, 19:
			want = nil // can not be set
		case 10:
			want = []uint64{0x1111, 0x4000000, 0x2222, 1 << 63}
		case 64:
			want[0] = 1
		}
		if !slices.Equal(set[sig], want) {
			t.Errorf("signal %d: %x, want %x", sig, set[sig], want)
		}
	}
	queued := func(nr uint32, at int) (sigs []uint64) {
		for _, op := range calls(pl, nr) {
			sigs = append(sigs, op.Args[at].Imm)
			if sig := signo(data(t, pl, op.Args[at+1], abi.SiginfoSize)); uint64(sig) != op.Args[at].Imm {
				t.Errorf("signal %d with the information of %d", op.Args[at].Imm, sig)
			}
		}
		return sigs
	}
	if got := queued(abi.SysRtSigqueueinfo, 1); !slices.Equal(got, []uint64{12}) {
		t.Errorf("queued to the process: %d", got)
	}
	if got := queued(abi.SysRtTgsigqueueinfo, 2); !slices.Equal(got, []uint64{64, 34}) {
		t.Errorf("queued to the thread: %d", got)
	}
}

// TestForget: what was pending in the restart is dropped, and no timer of it
// runs on.
func TestForget(t *testing.T) {
	t.Parallel()
	p := prepared(t, sample(t))
	p.host.status.SigPnd, p.host.status.ShdPnd = 1<<(10-1), 1<<(64-1)
	pl, ops := steps(t, p, abi.SysRtSigaction, (*writer).forget)
	var sigs []uint64
	for _, op := range ops {
		sigs = append(sigs, op.Args[0].Imm)
		if w := wordsAt(t, pl, op.Args[1], 4); !slices.Equal(w, []uint64{1, 0, 0, 0}) {
			t.Errorf("signal %d: %x, want it ignored", op.Args[0].Imm, w)
		}
	}
	if !slices.Equal(sigs, []uint64{10, 14, 23, 26, 27, 64}) {
		t.Errorf("signals %d", sigs)
	}
	if timers := calls(pl, abi.SysSetitimer); len(timers) != 3 {
		t.Errorf("%d interval timers", len(timers))
	}
}
