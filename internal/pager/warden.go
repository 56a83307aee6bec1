package pager

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// warden watches the pager. When the last descriptor of a userfaultfd is closed, the
// kernel lets the program read zeros where pages are missing: so the warden has them
// all as well, and ends the program before it closes them.
type warden struct {
	socket int // to the pager
	pidfd  int // of the program; -1: not yet
	pid    int
	uffds  []int
}

// failed is the pager's exit status after it has said why, and ended the program.
const failed = 3

// watch starts the pager and is its warden. A program that has got no memory from it
// yet notices by itself that it is gone.
func watch() error {
	ours, theirs, err := sys.StreamPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	inherited := []*os.File{os.NewFile(plan, "plan"), os.NewFile(saved, "image"), theirs}
	cmd := again("pager", inherited...)
	if err := cmd.Start(); err != nil {
		return err
	}
	for _, f := range inherited {
		_ = f.Close() // the pager's
	}
	w := &warden{socket: int(ours.Fd()), pidfd: -1}
	received := w.receive()
	if received != nil {
		_ = ours.Close() // so that the pager ends
	}
	err = cmd.Wait()
	if w.pidfd < 0 {
		return received
	}
	defer w.letGo()
	if err == nil {
		return nil
	}
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Exited() || status.ExitStatus() != failed {
		fmt.Fprintf(os.Stderr, "ckpt: process %d is killed: the process that gives it its memory ended (%v) before all was there\n", w.pid, err)
	}
	if received != nil {
		fmt.Fprintf(os.Stderr, "ckpt: %v\n", received)
	}
	end(w.pidfd, w.pid)
	w.awaitEnds()
	return nil
}

// receive takes what the pager sends, until that is gone: the program's
// pidfd, its userfaultfd, and those of children.
func (w *warden) receive() error {
	for {
		fd, closed, err := sys.ReceiveDescriptor(w.socket)
		if err != nil || closed {
			return err
		}
		if w.pidfd < 0 {
			w.pidfd = fd
			info, err := proc.Host().Process(os.Getpid()).FDInfo(fd)
			if err != nil || info.PidFD == nil {
				return errors.Join(err, errors.New("no process was sent"))
			}
			w.pid = info.PidFD.PID
			continue
		}
		w.uffds = append(w.uffds, fd)
		if len(w.uffds) == 1 {
			if err := takeName(); err != nil {
				return err
			}
			if _, err := syscall.Write(w.socket, []byte{0}); err != nil {
				return err
			}
		}
	}
}

// awaitEnds waits until there is nobody left who could read zeros: a process that is
// no child of the program any more waits for its pages until somebody kills it.
func (w *warden) awaitEnds() {
	for _, fd := range w.uffds {
		for (&space{uffd: fd}).lives() {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// letGo lets the kernel watch nothing any more, as long as this process has its name.
func (w *warden) letGo() {
	for _, fd := range w.uffds {
		_ = syscall.Close(fd)
	}
}

// lives reports whether the memory is still there. Nothing is watched at the end of the
// address space.
func (s *space) lives() bool { return s.zero(1<<47-2*pageSize) != errGone }

// end kills the program and its descendants.
func end(pidfd, pid int) {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		children, _ := proc.Host().Process(all[i]).Children() // it may have ended
		all = append(all, children...)
	}
	_ = sys.PidfdKill(pidfd) // the same
	for _, child := range all[1:] {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
}

// again is this program in another role, in a session of its own.
func again(role string, files ...*os.File) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", Command, role)
	cmd.Args[0] = "ckpt"
	cmd.Stderr, cmd.ExtraFiles, cmd.Dir, cmd.Env = os.Stderr, files, "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}
