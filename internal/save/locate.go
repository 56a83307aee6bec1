package save

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ckpt/internal/proc"
)

// Location is where a process lives.
type Location struct {
	PID   int // as we see it
	Inner int // as it sees itself
	// Flags are the namespaces (CLONE_NEW*) to be entered for saving it, so that
	// all ids are those that it knows; 0: it can be saved from here, or not at all.
	Flags uintptr
	// Guardian says that the process asked for is a ckpt restore that stays beside
	// its program, which is the one that is meant.
	Guardian bool
}

// Locate finds out what process is meant by an id, and whether it lives where
// only the ids differ: in namespaces as restore makes them. Others are refused by
// checkPlace.
func Locate(pid int) Location {
	l := Location{PID: pid}
	for child := wardOf(pid); child != 0; child = wardOf(child) {
		l.PID, l.Guardian = child, true
	}
	l.Inner = l.PID
	of := proc.Host().Process(l.PID)
	var differ uintptr
	for name, flag := range map[string]uintptr{"user": syscall.CLONE_NEWUSER, "mnt": syscall.CLONE_NEWNS, "pid": syscall.CLONE_NEWPID} {
		theirs, err := os.Readlink(of.Path("ns/" + name))
		if err != nil {
			return l
		}
		if ours, err := os.Readlink("/proc/self/ns/" + name); err == nil && ours != theirs {
			differ |= flag
		}
	}
	st, err := of.Status()
	if differ == 0 || err != nil || len(st.NSpid) == 0 {
		return l
	}
	if differ&syscall.CLONE_NEWNS != 0 && !sameMounts(of) {
		return l
	}
	l.Inner, l.Flags = st.NSpid[len(st.NSpid)-1], differ
	return l
}

// sameMounts reports whether a process sees the same file systems in the same
// places as we do, but for /proc. A new mount namespace lists them in another
// order.
func sameMounts(other proc.Process) bool {
	view := func(p proc.Process) ([]string, error) {
		mounts, err := p.MountInfo()
		var list []string
		for _, m := range mounts {
			if m.MountPoint != "/proc" && !strings.HasPrefix(m.MountPoint, "/proc/") {
				list = append(list, fmt.Sprint(m.Major, m.Minor, m.Root, m.MountPoint))
			}
		}
		slices.Sort(list)
		return list, err
	}
	ours, err := view(proc.Host().Process(os.Getpid()))
	if err != nil {
		return false
	}
	theirs, err := view(other)
	return err == nil && slices.Equal(ours, theirs)
}

// wardOf is the process beside which a ckpt restore stays; 0: it is none, or has
// no program yet.
func wardOf(pid int) int {
	if !isRestore(pid) {
		return 0
	}
	return firstChild(proc.Host().Process(pid), pid)
}

// isRestore reports whether a process is a ckpt restore.
func isRestore(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if name := filepath.Base(strings.TrimSuffix(exe, " (deleted)")); err != nil || name != "ckpt" && name != "myrestart" {
		return false
	}
	args, err := proc.Host().Process(pid).Cmdline()
	return err == nil && len(args) > 0 && (filepath.Base(args[0]) == "myrestart" || slices.Contains(args, "restore"))
}

// firstChild is the child that was there before those that a process 1 has
// adopted; 0: there is none. The adopted ones are the youngest of its first thread,
// the program may be the child of any other.
func firstChild(p proc.Process, pid int) int {
	tasks, _ := p.Tasks() // none if it has ended
	tasks = slices.DeleteFunc(tasks, func(tid int) bool { return tid == pid })
	for _, tid := range append(tasks, pid) {
		text, _ := os.ReadFile(p.Path(fmt.Sprintf("task/%d/children", tid))) // of a thread that ended
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			child, _ := strconv.Atoi(fields[0])
			return child
		}
	}
	return 0
}
