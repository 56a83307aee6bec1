package proc

import (
	"bytes"
	"strconv"
)

// Stat is /proc/PID/stat, proc_pid_stat(5). Of a Thread the same fields are
// about that thread. Without permission to ptrace the addresses are 0 or 1 and
// ExitCode is 0, with no error.
type Stat struct {
	Pid                                int
	Comm                               string
	State                              byte // as in Status
	PPid, Pgrp, Session                int
	TTYNr                              int // dev_t of the controlling terminal; 0 for none
	TPgid                              int // foreground group of that terminal; -1 for none
	Flags                              uint64
	Priority, Nice                     int
	NumThreads                         int
	StartTime                          uint64 // clock ticks (1/100 s) after boot
	StartCode, EndCode                 uint64
	StartStack                         uint64
	ExitSignal                         int // sent to the parent at exit; -1 for a thread
	RTPriority, Policy                 int
	StartData, EndData, StartBrk       uint64
	ArgStart, ArgEnd, EnvStart, EnvEnd uint64
	ExitCode                           int // as wait(2) gives it
}

// Bits of Stat.Flags (PF_* of include/linux/sched.h).
const (
	pfExiting = 0x4
	pfKthread = 0x200000
)

// Exiting reports whether the thread has begun to end.
func (s *Stat) Exiting() bool { return s.Flags&pfExiting != 0 }

// KernelThread reports whether it is a thread of the kernel itself.
func (s *Stat) KernelThread() bool { return s.Flags&pfKthread != 0 }

// Zombie reports whether the thread has ended; see Status.Zombie.
func (s *Stat) Zombie() bool { return zombieState(s.State) }

// Stat reads /proc/PID/stat. Reading that of a process costs time in
// proportion to its threads (their times are summed), that of a Thread does not.
func (p Process) Stat() (*Stat, error) {
	b, err := p.dir.bytes("stat", maxSmall)
	if err != nil {
		return nil, err
	}
	s, reason := parseStat(b)
	if reason != "" {
		return nil, &ParseError{File: p.dir.path("stat"), Line: 1, Reason: reason}
	}
	return s, nil
}

// statFields is the number of fields behind the name that every kernel since
// 3.5 has; field N of the manual page is at N-3.
const statFields = 50

// parseStat reads the text or says what is wrong with it. The name is not
// escaped, it may have any byte in it, so it reaches up to the last
// parenthesis: only digits follow.
func parseStat(b []byte) (s *Stat, reason string) {
	s = new(Stat)
	head, ok := bytes.CutSuffix(b, []byte("\n"))
	open, end := bytes.Index(head, []byte(" (")), bytes.LastIndex(head, []byte(") "))
	if !ok || open < 0 || end < open+2 || !count(&s.Pid, head[:open]) {
		return nil, "bad pid or name"
	}
	s.Comm = string(head[open+2 : end])
	f := bytes.Split(head[end+2:], []byte(" "))
	if len(f) < statFields {
		return nil, "too few fields"
	}
	if len(f[0]) != 1 || !validState(f[0][0]) {
		return nil, "bad state"
	}
	s.State = f[0][0]
	ints := map[int]*int{
		4: &s.PPid, 5: &s.Pgrp, 6: &s.Session, 7: &s.TTYNr, 8: &s.TPgid, 18: &s.Priority, 19: &s.Nice,
		20: &s.NumThreads, 38: &s.ExitSignal, 40: &s.RTPriority, 41: &s.Policy, 52: &s.ExitCode,
	}
	for n, dst := range ints {
		if !signed(dst, f[n-3]) {
			return nil, "bad number in field " + strconv.Itoa(n)
		}
	}
	words := map[int]*uint64{
		9: &s.Flags, 22: &s.StartTime, 26: &s.StartCode, 27: &s.EndCode, 28: &s.StartStack,
		45: &s.StartData, 46: &s.EndData, 47: &s.StartBrk,
		48: &s.ArgStart, 49: &s.ArgEnd, 50: &s.EnvStart, 51: &s.EnvEnd,
	}
	for n, dst := range words {
		if !unsigned(dst, f[n-3], 10) {
			return nil, "bad number in field " + strconv.Itoa(n)
		}
	}
	return s, ""
}
