package proc

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// captured is a tree that was copied from kernel 6.18 (pids changed): bash is
// 1001, a python3 with two threads and an odd name 1002, its zombie child
// 1003, kthreadd 2.
var captured = FS{Root: "testdata/proc"}

func TestCapturedMaps(t *testing.T) {
	t.Parallel()
	for pid, want := range map[int]int{1001: 30, 1002: 58, 1003: 0, 2: 0} {
		maps, err := captured.Process(pid).Maps()
		if err != nil || len(maps) != want {
			t.Errorf("pid %d: %d mappings, want %d, error %v", pid, len(maps), want, err)
		}
		if pid == 2 {
			continue
		}
		smaps, err := captured.Process(pid).Smaps()
		if err != nil || len(smaps) != want {
			t.Fatalf("pid %d: %d mappings in smaps, want %d, error %v", pid, len(smaps), want, err)
		}
		for i, v := range smaps {
			if len(v.VmFlags) == 0 {
				t.Errorf("pid %d: %#x has no VmFlags", pid, v.Start)
			}
			if v.Path == "[stack]" && (!v.HasFlag("gd") || v.Rss == 0) {
				t.Errorf("pid %d: stack is %+v", pid, v)
			}
			bare := VMA{
				Start: v.Start, End: v.End, Read: v.Read, Write: v.Write, Exec: v.Exec, Shared: v.Shared,
				Offset: v.Offset, DevMajor: v.DevMajor, DevMinor: v.DevMinor, Inode: v.Inode, Path: v.Path, Deleted: v.Deleted,
			}
			if diff := cmp.Diff(maps[i], bare); diff != "" {
				t.Errorf("pid %d: maps and smaps differ: %s", pid, diff)
			}
		}
	}
}

func TestCapturedStatus(t *testing.T) {
	t.Parallel()
	got, err := captured.Thread(1002, 1012).Status()
	if err != nil {
		t.Fatal(err)
	}
	want := &Status{
		Name: "odd) (na\\me\n", Umask: 0o022, State: 'S', Tgid: 1002, Pid: 1012, PPid: 999,
		NStgid: []int{1002}, NSpid: []int{1012}, Threads: 2, FDSize: 256, SigQMax: 96365,
		SigIgn: 0x1001006, SigCgt: 0x100000200,
		CapPrm: 0x1fffeffffff, CapEff: 0x1fffeffffff, CapBnd: 0x1fffeffffff,
		HasMemory: true, VmSize: 88196 << 10, VmRSS: 9884 << 10, RssAnon: 4108288, THPEnabled: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for pid, want := range map[int][2]bool{1001: {}, 1003: {true, false}, 2: {false, true}} {
		p := captured.Process(pid)
		status, err := p.Status()
		if err != nil {
			t.Fatal(err)
		}
		stat, err := p.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{status.Zombie(), status.KernelThread()}; got != want {
			t.Errorf("pid %d: by status zombie, kernel thread: %v", pid, got)
		}
		if got := [2]bool{stat.Zombie(), stat.KernelThread()}; got != want {
			t.Errorf("pid %d: by stat zombie, kernel thread: %v", pid, got)
		}
		status.Kthread = -1
		if got := [2]bool{status.Zombie(), status.KernelThread()}; got != want {
			t.Errorf("pid %d: without Kthread zombie, kernel thread: %v", pid, got)
		}
	}
}

func TestCapturedStat(t *testing.T) {
	t.Parallel()
	got, err := captured.Thread(1002, 1012).Stat()
	if err != nil {
		t.Fatal(err)
	}
	want := &Stat{
		Pid: 1012, Comm: "odd) (na\\me\n", State: 'S', PPid: 999, Pgrp: 998, Session: 997, TPgid: -1,
		Flags: 4194368, Priority: 20, NumThreads: 2, StartTime: 176142,
		StartCode: 4321280, EndCode: 7148169, StartStack: 140736489621488, ExitSignal: -1,
		StartData: 9723336, EndData: 11027064, StartBrk: 622817280,
		ArgStart: 140736489627286, ArgEnd: 140736489627604, EnvStart: 140736489627604, EnvEnd: 140736489627623,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if zombie, err := captured.Process(1003).Stat(); err != nil || zombie.ExitCode != 3<<8 {
		t.Errorf("zombie's exit code: %+v, %v", zombie, err)
	}
}

func TestCapturedStrings(t *testing.T) {
	t.Parallel()
	p := captured.Process(1001)
	args, err := p.Cmdline()
	want := []string{"bash", "--norc", "-c", `sleep 30 & true; : "two words" ""; while :; do wait; done`, "bash title", "", "x y"}
	if diff := cmp.Diff(want, args); err != nil || diff != "" {
		t.Errorf("cmdline: %v %s", err, diff)
	}
	env, err := p.Environ()
	want = []string{"PATH=/usr/bin:/bin", "TERM=xterm", "ODD=a b\nc", "HOME=/home/user"}
	if diff := cmp.Diff(want, env); err != nil || diff != "" {
		t.Errorf("environ: %v %s", err, diff)
	}
	if args, err := captured.Process(1003).Cmdline(); args != nil || err != nil {
		t.Errorf("zombie's cmdline: %q, %v", args, err)
	}
	if name, err := captured.Thread(1002, 1012).Comm(); name != "odd) (na\\me\n" || err != nil {
		t.Errorf("comm: %q, %v", name, err)
	}
}

func TestCapturedNumbers(t *testing.T) {
	t.Parallel()
	p := captured.Process(1001)
	check := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s is %v, want %v, error %v", what, got, want, err)
		}
	}
	oom, err := p.OOMScoreAdj()
	check("oom_score_adj", oom, 0, err)
	persona, err := p.Personality()
	check("personality", persona, uint32(0), err)
	slack, err := p.TimerSlack()
	check("timerslack_ns", slack, uint64(50000), err)
	filter, err := p.CoredumpFilter()
	check("coredump_filter", filter, uint64(0x33), err)
	wchan, err := p.Wchan()
	check("wchan", wchan, "do_wait", err)
	auxv, err := p.Auxv()
	check("auxv", auxv.Values[6], uint64(4096), err) // AT_PAGESZ
	check("auxv's length", len(auxv.Raw), 368, err)
	state, err := captured.Thread(1002, 1012).Syscall()
	check("syscall", state, SyscallState{
		Nr: 230, Args: [6]uint64{1, 1, 0x7f595d865a30, 0, 0, 0xa5b8e8}, SP: 0x7f595d8659f0, PC: 0x7f595dc2c545,
	}, err)
	limits, err := p.Limits()
	check("RLIMIT_STACK", limits[3], Limit{8 << 20, Unlimited}, err)
	check("RLIMIT_NOFILE", limits[7].Cur > 0 && limits[7] != limits[6], true, err)
	check("RLIMIT_RTTIME", limits[15], Limit{Unlimited, Unlimited}, err)
}

func TestCapturedTasks(t *testing.T) {
	t.Parallel()
	p := captured.Process(1002)
	tids, err := p.Tasks()
	if diff := cmp.Diff([]int{1002, 1012}, tids); err != nil || diff != "" {
		t.Errorf("tasks: %v %s", err, diff)
	}
	kids, err := p.Children()
	if diff := cmp.Diff([]int{1003}, kids); err != nil || diff != "" {
		t.Errorf("children: %v %s", err, diff)
	}
	if kids, err := captured.Thread(1002, 1012).Children(); kids != nil || err != nil {
		t.Errorf("children of the second thread: %v, %v", kids, err)
	}
	if _, err := captured.Process(1004).Tasks(); !errors.Is(err, ErrGone) {
		t.Errorf("tasks of no process: %v", err)
	}
}
