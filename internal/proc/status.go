package proc

import (
	"bytes"
	"strings"
)

// Status is /proc/PID/status. Sizes are bytes. All of it can be read of any
// process that is not hidden from us.
type Status struct {
	Name      string // as in Comm, but the name of a kernel worker can be longer
	Umask     int    // -1 in a zombie
	State     byte   // R, S, D, T (stopped), t (traced), Z, X, I, P
	Tgid      int
	Pid       int // the thread
	PPid      int
	TracerPid int    // 0 for none
	Uid       [4]int // real, effective, saved, file system
	Gid       [4]int
	Groups    []int
	NStgid    []int // outermost namespace (that of the FS) first
	NSpid     []int
	Kthread   int // 0 or 1; -1: an older kernel, which does not tell
	Threads   int
	FDSize    int // numbers that there is room for in the table of descriptors

	SigQ, SigQMax                          uint64 // queued signals of the real uid, and its limit
	SigPnd, ShdPnd, SigBlk, SigIgn, SigCgt uint64 // bit 0 is signal 1

	CapInh, CapPrm, CapEff, CapBnd, CapAmb uint64
	NoNewPrivs                             bool
	Seccomp                                int // 0 off, 1 strict, 2 filter
	SeccompFilters                         int

	HasMemory            bool // has an address space: there is a VmSize line
	VmSize, VmRSS, VmLck uint64
	RssAnon              uint64   // of VmRSS, what belongs to no file
	THPEnabled           bool     // false after PR_SET_THP_DISABLE, and without memory
	ThreadFeatures       []string // x86_Thread_features: "shstk", "wrss"
}

// Zombie reports whether the thread has ended. A leader that ended before its
// other threads is one too; Threads is more than 1 then.
func (s *Status) Zombie() bool { return zombieState(s.State) }

// Over reports whether all of the process has ended, or is about to: it has no
// memory any more.
func (s *Status) Over() bool {
	return s.Zombie() && s.Threads <= 1 || !s.Zombie() && !s.HasMemory
}

// KernelThread reports whether it is a thread of the kernel itself.
func (s *Status) KernelThread() bool {
	if s.Kthread >= 0 {
		return s.Kthread == 1
	}
	return !s.HasMemory && !s.Zombie()
}

// Status reads /proc/PID/status. Reading it costs about 20 us.
func (p Process) Status() (*Status, error) {
	return parseFile(p.dir, "status", maxSmall, parseStatus)
}

// statusKeys are those every process has had since the oldest kernel we know.
var statusKeys = strings.Fields("Name State Tgid Pid PPid TracerPid Uid Gid Groups Threads SigQ " +
	"SigPnd ShdPnd SigBlk SigIgn SigCgt CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp")

func parseStatus(l *lines) (*Status, error) {
	s := &Status{Umask: -1, Kthread: -1}
	seen := make(map[string]bool, 64)
	for l.next() {
		name, value, ok := cut(l.text, ':')
		key := string(name)
		if !ok || seen[key] {
			return nil, l.bad("key")
		}
		seen[key] = true
		if value, ok = bytes.CutPrefix(value, []byte("\t")); !ok || !s.set(key, value) {
			return nil, l.bad("value")
		}
	}
	for _, key := range statusKeys {
		if !seen[key] {
			return nil, l.errorf("no %s", key)
		}
	}
	return s, nil
}

// set takes in one line (proc_pid_status in fs/proc/array.c).
func (s *Status) set(key string, v []byte) (ok bool) {
	switch key {
	case "Name":
		s.Name, ok = comm(v)
	case "Umask":
		var mask uint32
		ok = unsigned(&mask, v, 8)
		s.Umask = int(mask)
	case "State":
		if ok = len(v) > 0; ok {
			s.State = v[0]
			ok = validState(v[0]) && (len(v) == 1 || v[1] == ' ')
		}
	case "Tgid":
		ok = count(&s.Tgid, v)
	case "Pid":
		ok = count(&s.Pid, v)
	case "PPid":
		ok = count(&s.PPid, v)
	case "TracerPid":
		ok = count(&s.TracerPid, v)
	case "Uid":
		ok = four(&s.Uid, v)
	case "Gid":
		ok = four(&s.Gid, v)
	case "Groups":
		s.Groups, ok = integers(v)
	case "NStgid":
		s.NStgid, ok = integers(v)
	case "NSpid":
		s.NSpid, ok = integers(v)
	case "Kthread":
		ok = count(&s.Kthread, v)
	case "Threads":
		ok = count(&s.Threads, v)
	case "FDSize":
		ok = count(&s.FDSize, v)
	case "SigQ":
		queued, limit, _ := cut(v, '/')
		ok = unsigned(&s.SigQ, queued, 10) && unsigned(&s.SigQMax, limit, 10)
	case "NoNewPrivs":
		ok = flag(&s.NoNewPrivs, v)
	case "Seccomp":
		ok = count(&s.Seccomp, v)
	case "Seccomp_filters":
		ok = count(&s.SeccompFilters, v)
	case "VmSize":
		s.HasMemory, ok = true, kilobytes(&s.VmSize, v)
	case "VmRSS":
		ok = kilobytes(&s.VmRSS, v)
	case "RssAnon":
		ok = kilobytes(&s.RssAnon, v)
	case "VmLck":
		ok = kilobytes(&s.VmLck, v)
	case "THP_enabled":
		ok = flag(&s.THPEnabled, v)
	case "x86_Thread_features":
		s.ThreadFeatures, ok = strings.Fields(string(v)), true
	default:
		mask := s.mask(key)
		ok = mask == nil || unsigned(mask, v, 16)
	}
	return ok
}

// mask is where the hexadecimal mask named key belongs, nil if it is none.
func (s *Status) mask(key string) *uint64 {
	switch key {
	case "SigPnd":
		return &s.SigPnd
	case "ShdPnd":
		return &s.ShdPnd
	case "SigBlk":
		return &s.SigBlk
	case "SigIgn":
		return &s.SigIgn
	case "SigCgt":
		return &s.SigCgt
	case "CapInh":
		return &s.CapInh
	case "CapPrm":
		return &s.CapPrm
	case "CapEff":
		return &s.CapEff
	case "CapBnd":
		return &s.CapBnd
	case "CapAmb":
		return &s.CapAmb
	}
	return nil
}

// zombieState: X is a process that is just being removed.
func zombieState(c byte) bool { return c == 'Z' || c == 'X' }

func validState(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }
