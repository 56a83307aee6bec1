package restore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// inside is what process 1 knows about outside.
type inside struct {
	place
	link *os.File
	left atomic.Bool // the program has ended, and others are there: they live on
	// known is closed when the one outside knows the program by its id there.
	known chan struct{}
}

// enterInside makes this process, which is the first of new namespaces, what it
// has to be. If it can not, it has told why.
func enterInside(fd int) (*inside, error) {
	in := &inside{link: os.NewFile(uintptr(fd), "the restore outside"), known: make(chan struct{})}
	if err := json.Unmarshal([]byte(os.Getenv(placeVariable)), &in.place); err != nil || os.Getpid() != 1 {
		return nil, fmt.Errorf("this is not process 1 of namespaces that a restore made: %w", errors.Join(err, syscall.EINVAL))
	}
	if err := in.moveAbove(); err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	from := json.NewDecoder(in.link)
	if err := sys.MountProc(); err != nil {
		in.tell(report{Useless: fmt.Sprintf("no /proc can be mounted in a namespace: %v", err)})
		return nil, err
	}
	// Signals are for the one outside. The kernel protects process 1 only from
	// those that it does not handle, and Go handles all of them.
	signal.Notify(make(chan os.Signal, 1))
	go func() {
		var answer known
		if from.Decode(&answer) == nil {
			close(in.known)
			_, _ = io.Copy(io.Discard, in.link)
		}
		if !in.left.Load() {
			os.Exit(1) // the one outside was killed: this ends all processes in here
		}
	}()
	_ = os.WriteFile("/proc/self/comm", []byte("ckpt"), 0) // it is a nicety
	in.tell(report{Ready: true})
	return in, nil
}

// moveAbove runs this process again, whose threads then have ids above the
// program's: of those that it has now, some may be the program's. The kernel
// gives the next id after the last one (pid_namespaces(7), ns_last_pid). Where
// that may not be set, only a program with small ids can not be restored.
func (in *inside) moveAbove() error {
	above := in.Above
	if above == 0 {
		return nil
	}
	if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(above)), 0); err != nil {
		return nil
	}
	in.Above = 0
	text, err := json.Marshal(in.place)
	if err != nil {
		return err
	}
	if err := os.Setenv(placeVariable, string(text)); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}

// gapAfter is the id, of those up to highest, after which the longest row of ids
// begins that are not used.
func gapAfter(used []int, highest int) int {
	const first = 300 // those below are not given twice (RESERVED_PIDS in kernel/pid.c)
	used = append(slices.Clone(used), first, highest+1)
	slices.Sort(used)
	after, longest := 0, 0
	for i, id := range used[:len(used)-1] {
		if n := used[i+1] - id; id >= first && n > longest {
			after, longest = id, n
		}
	}
	return after
}

// correct puts right what a user namespace shows otherwise, or does not allow.
func (in *inside) correct(own *proc.Status) {
	own.Groups = in.Groups
	if in.User {
		own.CapEff &^= capSetgid // setgroups(2) is denied
	}
}

// tell sends a report. If nobody hears it, this process is about to end.
func (in *inside) tell(r report) { _ = json.NewEncoder(in.link).Encode(r) }

// guard tells how the program fares, and stays until there are no processes.
func (in *inside) guard(program int) error {
	in.tell(report{Runs: program})
	<-in.known // until it is reaped its id is nobody else's
	for {
		pid, status, err := sys.WaitAny(syscall.WUNTRACED)
		switch {
		case errors.Is(err, syscall.ECHILD):
			for hasVisitors() {
				time.Sleep(visitorsPause)
			}
			return nil
		case err != nil:
			return err
		case pid != program:
		case status.Stopped():
			in.tell(report{Stopped: true, Status: syscall.WaitStatus(status)})
		default:
			others := hasChildren() || hasVisitors()
			if others {
				in.withdraw()
			}
			in.tell(report{Ended: true, Status: syscall.WaitStatus(status), Last: !others})
		}
	}
}

// hasVisitors reports whether there are processes that are not ours: they came
// from outside, as a save does that kills the program in its end, and our end
// would be theirs.
func hasVisitors() bool {
	pids, err := proc.Host().Processes()
	return err == nil && len(pids) > 1
}

// visitorsPause is how long it takes until it is seen that they have left.
const visitorsPause = 5 * time.Millisecond

// withdraw gives up what others may wait for the end of: only daemons are left.
func (in *inside) withdraw() {
	in.left.Store(true)
	for fd := range 3 {
		_ = syscall.Close(fd)
	}
}

// hasChildren reports whether there are processes left.
func hasChildren() bool {
	for {
		switch pid, _, err := sys.WaitAny(syscall.WNOHANG); {
		case err != nil:
			return false
		case pid == 0:
			return true
		}
	}
}
