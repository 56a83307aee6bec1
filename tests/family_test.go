package tests

import (
	"fmt"
	"os"
	"path/filepath"
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

// children are the children of all threads of a process, those of its first thread
// last, among which are the ones that a process 1 has adopted.
func children(pid int) (all []int) {
	task := fmt.Sprintf("/proc/%d/task", pid)
	entries, _ := os.ReadDir(task) // empty if it has ended
	var threads []string
	for _, entry := range entries {
		if entry.Name() != strconv.Itoa(pid) {
			threads = append(threads, entry.Name())
		}
	}
	for _, thread := range append(threads, strconv.Itoa(pid)) {
		text, _ := os.ReadFile(task + "/" + thread + "/children")
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
// threads, may be descendants of the command. While a tree is made, a process
// may have its name before its parent has: nobody below is taken for the program.
func (p *process) follow(comm string) bool {
	for i, pid := range p.family() {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if strings.TrimSuffix(string(name), "\n") == comm {
			p.program = pid
			return true
		}
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if tool := filepath.Base(exe); i > 0 && tool != "ckpt" && tool != "myrestart" {
			return false
		}
	}
	return false
}
