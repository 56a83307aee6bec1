package restore

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
)

// manyThreads is a sample with so many threads; what changes it comes first.
func manyThreads(t *testing.T, n int) *image.Manifest {
	t.Helper()
	m := sample(t)
	p := &m.Processes[0]
	for i := 1; i < n; i++ {
		thread := p.Threads[0]
		// Above what pid_max can be: nobody has it.
		thread.TID = 1<<22 + i
		thread.Regs = abi.Regs{Rip: 0x401000 + uint64(i)}
		p.Threads = append(p.Threads, thread)
	}
	return m
}

// lists are the ops of each walker.
func lists(p *plan.Plan) (all [][]plan.Op) {
	from := 0
	for _, to := range append(slices.Clone(p.Others), len(p.Ops)) {
		all = append(all, p.Ops[from:to])
		from = to
	}
	return all
}

func count(ops []plan.Op, code plan.Code, nr uint32) (n int) {
	for _, op := range ops {
		if op.Code == code && op.Nr == nr {
			n++
		}
	}
	return n
}

// TestThreads: each thread has a list with its own state and its own frame, all
// of which stays; the first one starts them before anything is given up.
func TestThreads(t *testing.T) {
	t.Parallel()
	const n = 5
	m := manyThreads(t, n)
	m.Processes[0].Threads[3].Pending = [][]byte{siginfo(34)}
	p := prepared(t, m)
	p.newTIDs, p.guardian = false, nil // whoever tests
	c, err := p.compile()
	if err != nil {
		t.Fatal(err)
	}
	all := lists(c.plan)
	if len(all) != n {
		t.Fatalf("%d walkers for %d threads", len(all), n)
	}
	kept := all[0][len(all[0])-1].Args[4].Imm
	frames := map[uint64]bool{}
	for i, ops := range all {
		last := ops[len(ops)-1]
		if want := plan.Depart; i > 0 && last.Code != want || i == 0 && last.Code != plan.Leave {
			t.Errorf("walker %d ends with %+v", i, last)
		}
		sp := last.Args[1].Imm
		if frames[sp] || sp >= kept || i > 0 && last.Args[4].Imm >= kept {
			t.Errorf("walker %d: frame at %#x, count at %#x, %#x stay", i, sp, last.Args[4].Imm, kept)
		}
		frames[sp] = true
		const ripAt = 48 + 16*8 - 8 // struct rt_sigframe without its first word
		if rip := wordsAt(t, c.plan, plan.Arg{Slot: plan.Base, Imm: sp + ripAt}, 1)[0]; i > 0 && rip != 0x401000+uint64(i) {
			t.Errorf("walker %d: rip %#x", i, rip)
		}
		if got := count(ops, plan.Syscall, abi.SysRtTgsigqueueinfo); (got == 1) != (i == 3) {
			t.Errorf("walker %d queues %d signals", i, got)
		}
		if got := count(ops, plan.Syscall, abi.SysRtSigaction); got > 0 && i > 0 {
			t.Errorf("walker %d sets %d actions", i, got)
		}
	}
	ids := []int{}
	for _, op := range all[0] {
		if op.Code == plan.Spawn && op.Nr == abi.SysClone3 {
			args := wordsAt(t, c.plan, op.Args[0], 10)
			if args[0] != abi.CloneSibling || args[9] != 1 || op.Args[1].Imm != 80 {
				t.Errorf("clone3 with %#x", args)
			}
			id := data(t, c.plan, plan.Arg{Slot: plan.Base, Imm: args[8] - c.park}, 4)
			ids = append(ids, int(binary.LittleEndian.Uint32(id)))
		}
		if op.Nr == abi.SysCapset && len(ids) < n-1 {
			t.Error("rights are given up before all threads are there")
		}
	}
	for i, id := range ids {
		if id != 1<<22+i+1 {
			t.Errorf("ids %d", ids)
		}
	}
	if _, err := plan.Encode(c.plan, plan.Options{Park: c.park, ErrFD: c.errFD}); err != nil {
		t.Error(err)
	}
}

// TestThreadsWithNewIDs: a timer signals the thread by the id that it has then.
func TestThreadsWithNewIDs(t *testing.T) {
	t.Parallel()
	m := manyThreads(t, 3)
	m.Processes[0].Timers.POSIX = []image.POSIXTimer{{ID: 0, Clock: 1, Notify: 4, Signal: 34, TID: 1<<22 + 2}}
	p := prepared(t, m)
	p.newTIDs, p.guardian = true, nil // whoever tests
	c, err := p.compile()
	if err != nil {
		t.Fatal(err)
	}
	all := lists(c.plan)
	if count(all[0], plan.Spawn, abi.SysClone3) != 0 || count(all[0], plan.Spawn, abi.SysClone) != 2 {
		t.Error("threads are not started by clone")
	}
	var noted []plan.Arg
	for _, ops := range all[1:] {
		for _, op := range ops {
			if op.Code == plan.Poke32If && strings.Contains(op.What, "note") {
				noted = append(noted, op.Args[0])
			}
		}
	}
	copied := slices.ContainsFunc(all[0], func(op plan.Op) bool {
		return op.Code == plan.Copy && len(noted) == 2 && op.Args[1] == noted[1] && op.Args[2].Imm == 4
	})
	if !copied {
		t.Errorf("ids noted at %+v, none goes to the timer", noted)
	}
}

// TestDeadLeader: a first thread that had ended makes the others and ends.
func TestDeadLeader(t *testing.T) {
	t.Parallel()
	m := manyThreads(t, 3)
	leader := &m.Processes[0].Threads[0]
	*leader = image.Thread{TID: leader.TID, Comm: "gone", Dead: true, AltStack: abi.StackT{Flags: abi.SSDisable}}
	c := compiledPlan(t, m)
	all := lists(c.plan)
	if end := all[0][len(all[0])-1]; end.Nr == abi.SysExitGroup {
		all = all[1:] // that of the process that makes it (guardian)
	}
	last := all[0][len(all[0])-1]
	if last.Code != plan.Leave || last.Args[0] != plan.EndThread() || last.Args[4].Imm == 0 {
		t.Errorf("it ends with %+v", last)
	}
	if n := count(all[0], plan.Syscall, abi.SysSetRobustList) + count(all[0], plan.Syscall, abi.SysArchPrctl); n > 0 {
		t.Errorf("%d calls for the state of a thread that is none", n)
	}
}

// TestHeldRobustMutex: who holds one can not get another id.
func TestHeldRobustMutex(t *testing.T) {
	t.Parallel()
	const head = 0x400100
	for name, test := range map[string]struct {
		next, pending uint64
		refused       bool
	}{
		"none":    {head, 0, false},
		"held":    {0x400800, 0, true},
		"on way":  {head, 0x400800, true},
		"no list": {0, 0, false},
	} {
		m := manyThreads(t, 2)
		m.Processes[0].Threads[1].RobustList = image.RobustList{Head: head, Size: 24}
		page := make([]byte, pageSize)
		binary.LittleEndian.PutUint64(page[head%pageSize:], test.next)
		binary.LittleEndian.PutUint64(page[head%pageSize+16:], test.pending)
		page[0] = 1
		_, err := prepare(Options{Path: write(t, m, content{0x400000, page}), PID: PIDNew})
		if refused := err != nil && strings.Contains(err.Error(), "holds a mutex"); refused != test.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTakenID: an id that somebody has is named with who has it.
func TestTakenID(t *testing.T) {
	t.Parallel()
	m := manyThreads(t, 2)
	m.Processes[0].Threads[1].TID = os.Getppid()
	p := prepared(t, m)
	if !p.newTIDs {
		t.Error("a thread keeps the id of another process")
	}
	if os.Geteuid() == 0 && !strings.Contains(p.takenIDs(), "is the id of") {
		t.Errorf("%q", p.takenIDs())
	}
}

// TestGuardian: a process that keeps its id is made by another one, as a child of
// restore, and everything else is on its own list.
func TestGuardian(t *testing.T) {
	t.Parallel()
	m := manyThreads(t, 3)
	p := prepared(t, m)
	p.newTIDs, p.guardian = false, &guardian{pid: m.Processes[0].PID, own: true} // whoever tests
	c, err := p.compile()
	if err != nil {
		t.Fatal(err)
	}
	all := lists(c.plan)
	if len(all) != 4 || len(all[0]) != 3 {
		t.Fatalf("%d walkers, the first one with %d ops", len(all), len(all[0]))
	}
	spawn := all[0][1]
	if args := wordsAt(t, c.plan, spawn.Args[0], 10); spawn.Code != plan.Spawn || args[0] != abi.CloneParent || args[9] != 1 || spawn.Want.Imm != uint64(p.process.PID) {
		t.Errorf("%+v with %x", spawn, args)
	}
	if count(all[1], plan.Syscall, abi.SysSetpgid) != 1 || count(all[1], plan.Spawn, abi.SysClone3) != 2 {
		t.Error("the process leads no group, or does not start its threads")
	}
}
