package ptrace

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// This file finds out from /proc why a thread cannot be seized or stopped. It
// only ever words an error, so whatever cannot be read is left out.

// explainSeize says why PTRACE_SEIZE of tid gave EPERM, by the rules of
// ptrace_attach (kernel/ptrace.c) and __ptrace_may_access.
func explainSeize(tid int, err error) error {
	status, rerr := os.ReadFile(procPath(tid, "status"))
	if rerr != nil {
		if errors.Is(rerr, os.ErrNotExist) {
			return &GoneError{Tid: tid}
		}
		return &SeizeError{Tid: tid, Err: err}
	}
	e := &SeizeError{Tid: tid, Err: err}
	uids := strings.Fields(statusField(status, "Uid"))
	scope := readLine("/proc/sys/kernel/yama/ptrace_scope")
	tracer, _ := strconv.Atoi(statusField(status, "TracerPid"))
	tgid, _ := strconv.Atoi(statusField(status, "Tgid"))
	self, _ := os.ReadFile("/proc/self/status")
	switch {
	case strings.HasPrefix(statusField(status, "State"), "Z"), strings.HasPrefix(statusField(status, "State"), "X"):
		e.Reason = Zombie
	case statusField(status, "VmSize") == "":
		e.Reason = KernelThread
	case tracer != 0:
		e.Reason, e.Tracer = Traced, tracer
	case tgid == os.Getpid():
		e.Reason = Self
	case otherIDs(status):
		e.Reason = OtherUser
		e.Detail = "uids " + strings.Join(uids, " ") + ", ours is " + strconv.Itoa(os.Getuid())
	case !ownedByUser(tid, uids):
		e.Reason = NotDumpable
	case scope != "" && scope != "0":
		e.Reason, e.Detail = Yama, scope
	case !subset(statusField(status, "CapPrm"), statusField(self, "CapEff")):
		e.Reason, e.Detail = OtherUser, "it has capabilities that we have not"
	}
	return e
}

// otherIDs reports whether any user or group id of the thread differs from
// our real one, which only CAP_SYS_PTRACE may ignore.
func otherIDs(status []byte) bool {
	for name, own := range map[string]int{"Uid": os.Getuid(), "Gid": os.Getgid()} {
		ids := strings.Fields(statusField(status, name))
		for _, id := range ids[:min(3, len(ids))] { // real, effective, saved
			if id != strconv.Itoa(own) {
				return true
			}
		}
	}
	return false
}

// ownedByUser reports whether the thread's /proc directory belongs to its
// effective user: it belongs to root while the process is not dumpable.
func ownedByUser(tid int, uids []string) bool {
	st, err := os.Stat(procPath(tid, ""))
	return err != nil || len(uids) < 2 || owner(st) == uids[1]
}

// owner is the user id of a file, in decimal.
func owner(fi os.FileInfo) string {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return strconv.FormatUint(uint64(st.Uid), 10)
}

// subset reports whether each bit of the hexadecimal mask a is in b; unknown
// masks pass.
func subset(a, b string) bool {
	x, errA := strconv.ParseUint(a, 16, 64)
	y, errB := strconv.ParseUint(b, 16, 64)
	return errA != nil || errB != nil || x&^y == 0
}

// readState gives the state letter of a thread, "?" if there is none to see.
func readState(tid int) string {
	status, err := os.ReadFile(procPath(tid, "status"))
	if s := statusField(status, "State"); err == nil && s != "" {
		return s[:1]
	}
	return "?"
}

// readWchan gives the kernel function that a thread sleeps in, if any.
func readWchan(tid int) string {
	if s := readLine(procPath(tid, "wchan")); s != "0" {
		return s
	}
	return ""
}

func readLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func procPath(tid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(tid), name)
}

// statusField gives the value of a line "Name:\tvalue" of /proc/TID/status.
// The name of the command, which may hold anything but a newline, stands in a
// line of its own.
func statusField(status []byte, name string) string {
	for line := range bytes.Lines(status) {
		if v, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			return string(bytes.TrimSpace(v))
		}
	}
	return ""
}
