package restore

import (
	"fmt"
	"os"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/sys"
)

// terminal is a pseudo terminal of the image that controls a session of it.
type terminal struct {
	slave      *os.File
	foreground int // process group
}

// control is RestoreContext.Controls.
func (f *files) control(master *image.OpenFile, pty sys.Pty) error {
	for i := range f.p.m.Processes {
		leader := &f.p.m.Processes[i]
		if leader.PID != pty.Session || leader.SID == f.p.process.SID {
			continue
		}
		slave, err := sys.OpenPtySlave(int(f.made[master.ID].Fd()), sys.ORdwr|sys.ONonblock)
		if err != nil {
			return err
		}
		foreground, _ := f.context.NewGroup(pty.Foreground)
		f.terminals[leader] = &terminal{slave, foreground}
		return nil
	}
	f.p.o.Warn(object(f.p.process, master), "its terminal controls no session any more")
	return nil
}

// takeTerminal adds that the leader of a new session takes its controlling
// terminal. It must come before there is anybody else in the session: they have
// the terminal from their parents.
func (f *files) takeTerminal(b *plan.Builder, leader *image.Process) {
	if t := f.terminals[leader]; t != nil {
		b.Call("take the controlling terminal", abi.SysIoctl, plan.Int(int(t.slave.Fd())), plan.Imm(syscall.TIOCSCTTY))
	}
}

// setForeground adds that the leader of a session puts the right process group
// into the foreground of its terminal. All signals are blocked, so it may do that
// in the background, too.
func (f *files) setForeground(b *plan.Builder, leader *image.Process) {
	t := f.terminals[leader]
	if t == nil || t.foreground == 0 {
		return
	}
	fd := b.Slot()
	b.Call("open the controlling terminal", abi.SysOpen, b.CString("/dev/tty"), plan.Imm(syscall.O_RDWR)).Store(fd)
	b.Call(fmt.Sprintf("put process group %d into the foreground", t.foreground), abi.SysIoctl, plan.Arg{Slot: fd}, plan.Imm(syscall.TIOCSPGRP), b.Data(words(uint64(t.foreground))))
	b.Call("close the controlling terminal", abi.SysClose, plan.Arg{Slot: fd})
	b.Free(fd)
}
