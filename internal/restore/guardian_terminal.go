package restore

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// aloneInGroup reports whether nobody shares our process group.
func aloneInGroup() bool {
	group := sys.ProcessGroup()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscanf(e.Name(), "%d", &pid); err != nil || pid == os.Getpid() {
			continue
		}
		if st, err := proc.Host().Process(pid).Stat(); err == nil && st.Pgrp == group {
			return false
		}
	}
	return true
}

// proceed lets the program's group go on, in the foreground if we are there.
func (g *guardian) proceed() {
	if tty, err := os.Open("/dev/tty"); err == nil {
		if group, err := sys.ForegroundGroup(int(tty.Fd())); err == nil && group == sys.ProcessGroup() {
			g.takeTerminal(g.pid)
		}
		tty.Close()
	}
	_ = syscall.Kill(-g.pid, syscall.SIGCONT) // it may have ended
}

// takeTerminal puts a group into the foreground, if the terminal is ours to give.
func (g *guardian) takeTerminal(group int) {
	if !g.own {
		return
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return
	}
	defer tty.Close()
	now, err := sys.ForegroundGroup(int(tty.Fd()))
	if err != nil || now != g.pid && now != sys.ProcessGroup() {
		return
	}
	signal.Ignore(syscall.SIGTTOU) // that we get for being in the background
	_ = sys.SetForegroundGroup(int(tty.Fd()), group)
}

// inForeground reports whether the terminal is our group's.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := sys.ForegroundGroup(int(tty.Fd()))
	return err == nil && group == sys.ProcessGroup()
}

// regainTerminal puts our group into the foreground, whoever is there.
func regainTerminal() {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return
	}
	defer tty.Close()
	signal.Ignore(syscall.SIGTTOU)
	_ = sys.SetForegroundGroup(int(tty.Fd()), sys.ProcessGroup())
}
