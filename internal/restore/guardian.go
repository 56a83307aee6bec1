package restore

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/image"
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
	tree       bool // there are several processes
	// next waits until the program stops or ends.
	next func() (syscall.WaitStatus, error)
	// signals are those that have come, from the beginning on: none of them gets lost
	// while the program begins to run.
	signals chan os.Signal
}

// signalsMost is how many signals can wait to be handed on.
const signalsMost = 64

// interruptions are the signals that end a restore until the program runs.
var interruptions = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// newGuardian prepares the place of a process with the id pid.
func (p *preparation) newGuardian(pid int) (*guardian, *os.File, error) {
	messages, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	g := &guardian{pid: pid, messages: messages, signals: make(chan os.Signal, signalsMost)}
	g.next = func() (syscall.WaitStatus, error) { return waitFor(pid, syscall.WUNTRACED) }
	if p.o.within != nil {
		g.own, g.foreground = p.o.within.Own, p.o.within.Foreground
	} else {
		g.own = aloneInGroup()
		g.foreground = g.own && inForeground()
	}
	return g, w, nil
}

// ids are the ids that those of the image become.
func (g *guardian) ids(m *image.Manifest) (pids, groups map[int]int) {
	pids, groups = map[int]int{}, map[int]int{}
	for i := range m.Processes {
		p := &m.Processes[i]
		for j := range p.Threads {
			pids[p.Threads[j].TID] = p.Threads[j].TID
		}
		groups[p.PGID] = p.PGID
	}
	group := sys.ProcessGroup()
	if g.own {
		group = g.pid
	}
	groups[m.Processes[0].PGID] = group
	return pids, groups
}

// start starts the interpreter with the descriptors that it needs.
func (g *guardian) start(program *os.File, name string, passed []*os.File) (int, error) {
	var numbers []int
	for _, f := range passed {
		numbers = append(numbers, int(f.Fd()))
	}
	files := handedOn(numbers)
	// Above those that are handed on, all others are still there at the execve.
	fd, err := sys.DupFrom(int(program.Fd()), len(files))
	if err != nil {
		return 0, err
	}
	defer syscall.Close(fd)
	if g.tree {
		// Whoever loses its parent while the tree is made is ours.
		if _, err := sys.Prctl(abi.PrSetChildSubreaper, 1); err != nil {
			return 0, err
		}
	}
	pid, err := syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", fd), []string{name}, &syscall.ProcAttr{Files: files})
	if err != nil {
		return 0, fmt.Errorf("start the interpreter of the plan: %w", err)
	}
	return pid, nil
}

// begin waits until the program runs. Until then nothing is begun that can not
// be undone.
func (g *guardian) begin(first int) (err error) {
	signal.Notify(g.signals, interruptions...)
	defer func() {
		if err != nil {
			signal.Stop(g.signals)
		}
	}()
	done := make(chan string, 1)
	go func() {
		// The first one to fail says why; the others may be waiting for it.
		said, _ := bufio.NewReader(g.messages).ReadString('\n')
		done <- said
	}()
	var said string
	var interrupted bool
	for waiting := true; waiting; {
		select {
		case said = <-done:
			waiting = false
		case s := <-g.signals:
			select {
			case said = <-done: // it was sent to the program, which runs
				waiting = false
				select {
				case g.signals <- s:
				default: // too many wait already
				}
			default:
				interrupted = true
				g.kill(first)
			}
		}
	}
	if said != "" {
		g.kill(first)
	}
	g.messages.Close()
	status, err := waitFor(first, 0)
	switch {
	case interrupted:
		g.end()
		return errors.New("interrupted")
	case said != "":
		g.end()
		return failure(strings.TrimSuffix(strings.TrimPrefix(said, "ckpt: "), "\n"))
	case err != nil:
		return err
	case status.Signaled() || status.ExitStatus() != 0:
		return fmt.Errorf("the process that starts the program ended with %v", &EndedError{status})
	}
	if g.tree {
		_, err = sys.Prctl(abi.PrSetChildSubreaper, 0)
	}
	return err
}

// takenError says that somebody got one of the ids after it was seen to be free.
type takenError struct{ said string }

func (e *takenError) Error() string { return e.said }

// failure is the error for what the interpreter has said.
func failure(said string) error {
	started := strings.Contains(said, startProcess) || strings.Contains(said, startThread)
	if started && strings.HasSuffix(said, ": "+syscall.EEXIST.Error()) {
		return &takenError{said}
	}
	return errors.New(said)
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
	for g.tree && killOrphans() {
	}
	g.takeTerminal(sys.ProcessGroup())
}

// killOrphans kills the processes that had been made for others to be their
// parents, and became our children. It reports whether there may be more.
func killOrphans() bool {
	children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	if err != nil {
		return false // they end by themselves, see awaitAdoption
	}
	for _, child := range strings.Fields(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
	_, err = waitFor(-1, 0)
	return err == nil
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

// handedOn are the descriptors of a child that gets our standard files, and
// others, by the same numbers.
func handedOn(others []int) []uintptr {
	files := []uintptr{0, 1, 2}
	for n := range files {
		if _, err := sys.StatusFlags(n); err != nil {
			files[n] = ^uintptr(0)
		}
	}
	for _, n := range others {
		for len(files) <= n {
			files = append(files, ^uintptr(0))
		}
		files[n] = uintptr(n)
	}
	return files
}
