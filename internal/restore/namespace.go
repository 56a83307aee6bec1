package restore

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// Where the saved ids are taken, or we may not choose ids, the program gets a pid
// namespace of its own: there all ids are free, and who has made it may choose
// them. Users without privileges need a user namespace for that, and everybody a
// mount namespace, for a /proc that shows these ids.
//
// Ckpt runs itself again as process 1 of these namespaces (namespace_inside.go).
// That one restores the program as its child, and stays for as long as there are
// processes. What is left for the one outside is to be the guardian: process 1
// tells it when the program stops and how it ends. If it is killed, so is all
// inside.

// namespaceLimit bounds how long process 1 takes to be ready.
const namespaceLimit = 10 * time.Second

// place is what process 1 has to know from outside.
type place struct {
	Own, Foreground bool  // see guardian
	User            bool  // there is a user namespace
	Groups          []int // supplementary groups, which that shows as nobody's
	// Above: the ids of process 1's own threads have to be above that, since
	// those below are the program's; 0: they are.
	Above int
}

// placeVariable is the environment variable in which process 1 gets its place.
const placeVariable = "CKPT_PLACE"

func (where place) variable() (string, error) {
	text, err := json.Marshal(where)
	return placeVariable + "=" + string(text), err
}

// report is what process 1 says.
type report struct {
	Useless string             // why nothing can be restored in its namespaces
	Ready   bool               // they are as they should be
	Runs    int                // the program's id in there; it runs
	Stopped bool               // the program has stopped
	Ended   bool               // it has ended, with the status
	Status  syscall.WaitStatus `json:",omitempty"`
	Last    bool               // with it, all other processes
}

// known is the answer to that it runs.
type known struct{}

// useless says why no namespaces help. Nothing was begun.
type uselessError struct{ reason string }

func (e *uselessError) Error() string { return e.reason }

// namespace is process 1, seen from outside.
type namespace struct {
	first   int
	link    *os.File
	reports chan report // closed when it has ended
}

// setApart decides for namespaces if the ids can not be kept here for a reason.
func (p *preparation) setApart(reason string) bool {
	if reason == "" || p.o.PID == PIDNew || p.o.Again == nil || p.o.noNamespace != "" {
		return false
	}
	if c, own := p.process.Credentials, p.host.status; p.needsUserNamespace() && (c.UID != own.Uid || c.GID != own.Gid) {
		return false // there are no other users in there
	}
	p.apart = reason
	return true
}

// warnApart says what is different in namespaces.
func (p *preparation) warnApart() {
	text := "has a pid namespace of its own, where it keeps its ids (" + p.apart + "): it sees no processes outside"
	if p.needsUserNamespace() {
		text += ", and as owners of files only its own user and group"
	}
	p.o.Warn("process", text)
}

// restoreApart restores in namespaces of its own. It returns like Restore, or a
// uselessError.
func (p *preparation) restoreApart() error {
	g := &guardian{own: aloneInGroup(), signals: make(chan os.Signal, signalsMost)}
	g.foreground = g.own && inForeground()
	ns, err := p.startNamespace(&place{Own: g.own, Foreground: g.foreground, User: p.needsUserNamespace(), Groups: p.host.status.Groups, Above: gapAfter(p.neededIDs(), highestID())})
	if err != nil {
		return &uselessError{err.Error()}
	}
	defer ns.link.Close()
	select {
	case r := <-ns.reports:
		if !r.Ready {
			ns.end()
			if r.Useless == "" {
				r.Useless = "its first process has ended"
			}
			return &uselessError{r.Useless}
		}
	case <-time.After(namespaceLimit):
		ns.end()
		return &uselessError{fmt.Sprintf("its first process was not ready after %v", namespaceLimit)}
	}
	p.warnApart()
	if err := ns.begin(g); err != nil {
		if g.foreground {
			regainTerminal() // from a program that is no more
		}
		return err
	}
	g.next = ns.next
	return g.guard()
}

// startNamespace starts process 1.
func (p *preparation) startNamespace(where *place) (*namespace, error) {
	variable, err := where.variable()
	if err != nil {
		return nil, err
	}
	own, theirs, err := sys.StreamPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	files := handedOn(slices.Collect(maps.Values(p.o.Given)))
	pid, err := syscall.ForkExec("/proc/self/exe", p.o.Again(len(files)), &syscall.ProcAttr{
		Files: append(files, theirs.Fd()), Env: append(os.Environ(), variable), Sys: p.namespaces(),
	})
	if err != nil {
		own.Close()
		return nil, fmt.Errorf("no namespace can be made: %w", err)
	}
	ns := &namespace{first: pid, link: own, reports: make(chan report)}
	go ns.listen()
	return ns, nil
}

// needsUserNamespace reports whether we may not make the others by right.
func (p *preparation) needsUserNamespace() bool { return p.host.status.CapEff&capSysAdmin == 0 }

// namespaces are those that process 1 is started in. Who is not root there has
// the capabilities that it needs only as ambient ones: it is a new program. The
// plan takes them from the program.
func (p *preparation) namespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if !p.needsUserNamespace() {
		return attr
	}
	uid, gid := os.Geteuid(), os.Getegid()
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	attr.AmbientCaps = ambient(capSysAdmin | capSysTime | capSetpcap)
	return attr
}

// ambient lists capabilities by their numbers.
func ambient(set uint64) (numbers []uintptr) {
	for ; set != 0; set &= set - 1 {
		numbers = append(numbers, uintptr(bits.TrailingZeros64(set)))
	}
	return numbers
}

// listen receives what process 1 says.
func (ns *namespace) listen() {
	defer close(ns.reports)
	for from := json.NewDecoder(ns.link); ; {
		var r report
		if err := from.Decode(&r); err != nil {
			return // its end, or ours
		}
		ns.reports <- r
	}
}

// begin waits until the program runs.
func (ns *namespace) begin(g *guardian) (err error) {
	signal.Notify(g.signals, interruptions...)
	defer func() {
		if err != nil {
			signal.Stop(g.signals)
		}
	}()
	for {
		select {
		case r, ok := <-ns.reports:
			if !ok {
				// It has said itself what was wrong.
				status, err := waitFor(ns.first, 0)
				if err != nil {
					return err
				}
				return &EndedError{status}
			}
			if r.Runs == 0 {
				continue
			}
			pid, err := ns.outside(r.Runs)
			if err != nil {
				ns.end()
				return err
			}
			g.pid = pid
			return json.NewEncoder(ns.link).Encode(known{})
		case <-g.signals:
			ns.end()
			return errors.New("interrupted")
		}
	}
}

// outside finds the id that a child of process 1 has outside.
func (ns *namespace) outside(inner int) (int, error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", ns.first))
	if err != nil {
		return 0, err
	}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // of a thread that ended
		for _, word := range strings.Fields(string(text)) {
			var pid int
			if _, err := fmt.Sscan(word, &pid); err != nil {
				return 0, err
			}
			if st, err := proc.Host().Process(pid).Status(); err == nil && st.NSpid[len(st.NSpid)-1] == inner {
				return pid, nil
			}
		}
	}
	return 0, fmt.Errorf("process %d of the new pid namespace is not to be found outside of it", inner)
}

// next waits until the program stops or ends.
func (ns *namespace) next() (syscall.WaitStatus, error) {
	for r := range ns.reports {
		if r.Last {
			_, _ = waitFor(ns.first, 0) // it ends now
		}
		if r.Stopped || r.Ended {
			return r.Status, nil
		}
	}
	return 0, errors.New("the first process of the program's pid namespace was killed, and so was the program")
}

// end kills all inside.
func (ns *namespace) end() {
	_ = syscall.Kill(ns.first, syscall.SIGKILL) // it may have ended
	_, _ = waitFor(ns.first, 0)
}
