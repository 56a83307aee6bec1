package restore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/plan"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// A process that keeps its id can not be this one. It is made as our child:
// we start the interpreter in a process of its own, which makes another one with
// the saved id in its place (clone3(2), CLONE_PARENT and set_tid) and ends. What
// is left for us is to be the parent: to hand on signals, to stop and go on
// with it, and to end as it does.

// guardian is what restore becomes.
type guardian struct {
	pid      int
	messages *os.File // what the interpreter has to say; its end: the program runs
	// own says that the program leads a process group of its own, which is given
	// the terminal where we have it. Else it is in ours: a pipeline is one group.
	own        bool
	foreground bool
}

// newGuardian prepares the place of a process with the id pid.
func newGuardian(pid int) (*guardian, *os.File, error) {
	messages, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	g := &guardian{pid: pid, messages: messages, own: aloneInGroup()}
	if tty, err := os.Open("/dev/tty"); err == nil {
		group, err := sys.ForegroundGroup(int(tty.Fd()))
		g.foreground = g.own && err == nil && group == sys.ProcessGroup()
		tty.Close()
	}
	return g, w, nil
}

// ids are the ids that those of the image become.
func (g *guardian) ids(p *image.Process) (pids, groups map[int]int) {
	pids = map[int]int{}
	for i := range p.Threads {
		pids[p.Threads[i].TID] = p.Threads[i].TID
	}
	group := sys.ProcessGroup()
	if g.own {
		group = g.pid
	}
	return pids, map[int]int{p.PGID: group}
}

// beget adds the making of the process with the saved id, which walks on.
func (w *writer) beget(g *guardian) {
	first := w.b
	all := first.Data(words(^uint64(0)))
	first.Call("block all signals", abi.SysRtSigprocmask, plan.Imm(sigSetMask), all, plan.Imm(0), plan.Imm(8))
	id := first.Data(words(uint64(g.pid)))
	args := words(abi.CloneParent, 0, 0, 0, 0, 0, 0, 0, w.block+id.Imm, 1)
	own, step := first.Spawn(fmt.Sprintf("start process %d", g.pid), abi.SysClone3, first.Data(args), plan.Int(len(args)))
	step.Want(plan.Int(g.pid))
	first.Call("end the process that started it", abi.SysExitGroup)
	w.b = own
	if !g.own {
		return
	}
	own.Call("begin a process group", abi.SysSetpgid)
	if g.foreground {
		tty := own.Slot()
		own.Call("open the terminal", abi.SysOpen, own.CString("/dev/tty"), plan.Imm(syscall.O_RDWR)).Store(tty)
		own.Call("put the process group into the foreground", abi.SysIoctl, plan.Arg{Slot: tty}, plan.Imm(syscall.TIOCSPGRP), own.Data(words(uint64(g.pid))))
		own.Call("close the terminal", abi.SysClose, plan.Arg{Slot: tty})
		own.Free(tty)
	}
}

const sigSetMask = 2 // SIG_SETMASK

// start starts the interpreter with the descriptors that it needs.
func (g *guardian) start(program *os.File, name string, passed []*os.File) (int, error) {
	files := []uintptr{0, 1, 2}
	for n := range files {
		if _, err := sys.StatusFlags(n); err != nil {
			files[n] = ^uintptr(0)
		}
	}
	for _, f := range passed {
		for len(files) <= int(f.Fd()) {
			files = append(files, ^uintptr(0))
		}
		files[f.Fd()] = f.Fd()
	}
	// Above those that are handed on, all others are still there at the execve.
	fd, err := sys.DupFrom(int(program.Fd()), len(files))
	if err != nil {
		return 0, err
	}
	defer syscall.Close(fd)
	pid, err := syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", fd), []string{name}, &syscall.ProcAttr{Files: files})
	if err != nil {
		return 0, fmt.Errorf("start the interpreter of the plan: %w", err)
	}
	return pid, nil
}

// begin waits until the program runs. Until then nothing is begun that can not
// be undone.
func (g *guardian) begin(first int) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(stop)
	done := make(chan string, 1)
	go func() {
		said, _ := io.ReadAll(g.messages)
		done <- string(said)
	}()
	var said string
	var interrupted bool
	for waiting := true; waiting; {
		select {
		case said = <-done:
			waiting = false
		case <-stop:
			interrupted = true
			g.kill(first)
		}
	}
	g.messages.Close()
	status, err := waitFor(first, 0)
	switch {
	case interrupted:
		g.end()
		return errors.New("interrupted")
	case said != "":
		g.end()
		return errors.New(strings.TrimSuffix(strings.TrimPrefix(said, "ckpt: "), "\n"))
	case err != nil:
		return err
	case status.Signaled() || status.ExitStatus() != 0:
		return fmt.Errorf("the process that starts the program ended with %v", &EndedError{status})
	}
	return nil
}

// kill kills what was made, if it is ours.
func (g *guardian) kill(first int) {
	_ = syscall.Kill(first, syscall.SIGKILL) // it may have ended
	if st, err := proc.Host().Process(g.pid).Stat(); err == nil && st.PPid == os.Getpid() {
		_ = syscall.Kill(g.pid, syscall.SIGKILL)
	}
}

// end kills the process that was made, and reaps it.
func (g *guardian) end() {
	g.kill(g.pid)
	_, _ = waitFor(g.pid, 0)
	g.takeTerminal(sys.ProcessGroup())
}

// waitFor is wait4(2).
func waitFor(pid, options int) (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	for {
		switch _, err := syscall.Wait4(pid, &status, options, nil); err {
		case nil:
			return status, nil
		case syscall.EINTR:
		default:
			return status, os.NewSyscallError("wait4", err)
		}
	}
}
