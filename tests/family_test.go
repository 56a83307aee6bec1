package tests

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process the parent of programs whose own one ends:
// an init that does not reap, as in many containers, would leave zombies that
// own their ids for ever.
func adoptOrphans() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// family are the process that was started and all its descendants, parents
// before children.
func (p *process) family() []int {
	all := []int{p.cmd.Process.Pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children(all[i])...)
	}
	return all
}

// processorTime is what the process and all its descendants have used.
func (p *process) processorTime() (used time.Duration) {
	const tick = 10 * time.Millisecond // a hundredth of a second, proc_pid_stat(5)
	for _, pid := range p.family() {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // empty if it has ended
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 14 {
			for _, field := range fields[11:15] { // its own, and that of children that have ended
				n, _ := strconv.Atoi(field)
				used += time.Duration(n) * tick
			}
		}
	}
	return used
}

// children are the children of all threads of a process.
func children(pid int) (all []int) {
	task := fmt.Sprintf("/proc/%d/task", pid)
	threads, _ := os.ReadDir(task) // empty if it has ended
	for _, thread := range threads {
		text, _ := os.ReadFile(task + "/" + thread.Name() + "/children")
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// buryFamily waits until the members other than the first are gone, whose
// parents have been killed with them, and reaps those that were adopted.
func (p *process) buryFamily(members []int) {
	p.t.Helper()
	for _, pid := range members[1:] {
		eventually(p.t, fmt.Sprintf("the end of process %d", pid), func() bool {
			if slices.Contains(children(os.Getpid()), pid) {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG|unix.WALL, nil)
			}
			return syscall.Kill(pid, 0) == syscall.ESRCH
		})
	}
}

// follow finds the program in what a restore has started: a tree, or several
// threads, may be descendants of the command.
func (p *process) follow(comm string) bool {
	for _, pid := range p.family() {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if strings.TrimSuffix(string(name), "\n") == comm {
			p.program = pid
			return true
		}
	}
	return false
}
