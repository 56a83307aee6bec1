package cli

import (
	"fmt"
	"strings"

	"ckpt/internal/image"
)

// treeText draws who is whose parent, as ps f does.
func treeText(all []showProcess, s image.Stats, columns int) string {
	var b strings.Builder
	threads := 0
	for i := range all {
		threads += all[i].ThreadCount
	}
	fmt.Fprintf(&b, "%s, %s, %s of memory in the image\n", plurals(len(all), "process", "processes"), plural(threads, "thread"), size(uint64(s.Memory)))
	line := func(format string, a ...any) {
		text := fmt.Sprintf(format, a...)
		if columns > 0 {
			text = cut(text, columns)
		}
		b.WriteString(text + "\n")
	}
	line("%7s %7s %7s %7s  %-8s %7s %5s %9s %9s  %s", "pid", "ppid", "pgid", "sid", "state", "threads", "fds", "saved", "shared", "command")
	for _, n := range treeOrder(all) {
		p := &all[n.index]
		command := p.command()
		if n.depth > 0 {
			command = strings.Repeat(" ", 4*n.depth-3) + `\_ ` + command
		}
		if p.State == "zombie" {
			command += " (" + exitText(p.ExitStatus) + ")"
		}
		line("%7d %7d %7d %7d  %-8s %7d %5d %9s %9s  %s", p.PID, p.PPID, p.PGID, p.SID, p.State, p.ThreadCount, p.FDCount,
			orDash(p.Saved), orDash(p.Shared), command)
	}
	return b.String()
}

// treeNode is a process at its depth below one whose parent is not there.
type treeNode struct {
	index, depth int
}

// treeOrder puts children right behind their parents. Parents come before
// their children already, so that there are no circles.
func treeOrder(all []showProcess) []treeNode {
	index := make(map[int]int, len(all)) // by pid
	children := make([][]int, len(all))
	var nodes, open []treeNode
	for i := range all {
		index[all[i].PID] = i
		if parent, ok := index[all[i].PPID]; ok {
			children[parent] = append(children[parent], i)
		} else {
			open = append(open, treeNode{i, 0})
		}
	}
	// The next one is at the end.
	for i, j := 0, len(open)-1; i < j; i, j = i+1, j-1 {
		open[i], open[j] = open[j], open[i]
	}
	for len(open) > 0 {
		n := open[len(open)-1]
		open = open[:len(open)-1]
		nodes = append(nodes, n)
		for k := len(children[n.index]) - 1; k >= 0; k-- {
			open = append(open, treeNode{children[n.index][k], n.depth + 1})
		}
	}
	return nodes
}

// exitText says how a process has ended; status is as wait(2) gives it.
func exitText(status int) string {
	if sig := status & 0x7f; sig != 0 {
		return "killed by SIG" + signalName(sig)
	}
	return fmt.Sprintf("exit code %d", status>>8&0xff)
}
