package restore

import (
	"os"
	"syscall"
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// The leader of a session that is made again takes its terminal, and puts a
// group into the foreground when all are there; what controlled the session of
// the root controls none.
func TestTerminalOfSession(t *testing.T) {
	base := prepared(t, sample(t))
	m := base.m
	m.Files = []image.OpenFile{{ID: 0, Path: "/dev/ptmx"}}
	leader := m.Processes[0]
	leader.PID, leader.SID, leader.PGID = 5000, 5000, 5000
	m.Processes = append(m.Processes, leader)
	var warned int
	p := &preparation{m: m, process: &m.Processes[0], image: base.image, o: Options{Warn: func(string, string) { warned++ }}}
	f := newFiles(p)
	defer f.closeMade()
	f.context.Groups = map[int]int{5000: 5000, 5001: 5002}
	master, _, err := sys.OpenPty()
	if err != nil {
		t.Fatal(err)
	}
	f.made[0] = master
	if f.null, err = os.Open(os.DevNull); err != nil {
		t.Fatal(err)
	}
	for _, pty := range []sys.Pty{{Session: m.Processes[0].SID, Foreground: 1}, {Session: 5000, Foreground: 5001}} {
		if err := f.context.Controls(&m.Files[0], pty); err != nil {
			t.Fatal(err)
		}
	}
	if warned != 1 {
		t.Errorf("%d warnings, want one of the root's session", warned)
	}
	if err := f.renumber(); err != nil {
		t.Fatal(err)
	}
	b := plan.NewBuilder()
	f.takeTerminal(b, &m.Processes[1])
	for i := range m.Processes {
		if err := f.place(b, &m.Processes[i], nil); err != nil {
			t.Fatal(err)
		}
	}
	b.Call("end", abi.SysExitGroup)
	pl, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	ioctls := calls(pl, abi.SysIoctl)
	if len(ioctls) != 2 || ioctls[0].Args[1].Imm != syscall.TIOCSCTTY || ioctls[1].Args[1].Imm != syscall.TIOCSPGRP {
		t.Fatalf("%+v", ioctls)
	}
	if got := wordsAt(t, pl, ioctls[1].Args[2], 1)[0]; got != 5002 {
		t.Errorf("foreground group %d", got)
	}
	if name, err := os.Readlink(sys.FDPath(int(ioctls[0].Args[0].Imm))); err != nil || name == os.DevNull {
		t.Errorf("the terminal is %s, %v", name, err)
	}
}
