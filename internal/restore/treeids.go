package restore

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// keepAllIDs prepares a tree: its processes know each other by their ids, so that
// all keep theirs or nothing is restored.
func (p *preparation) keepAllIDs() (err error) {
	if p.o.PID == PIDNew {
		return &HostError{Reason: "the processes of a tree know each other by their ids, and can not have new ones", Advice: "use --pid auto"}
	}
	reason := p.awaitIDs()
	if p.setApart(reason) {
		if !p.o.rehearsal {
			return nil
		}
		reason = "" // in there
	}
	if reason != "" {
		if p.o.noNamespace != "" {
			reason += "; and " + p.o.noNamespace
		}
		return &HostError{
			Reason: fmt.Sprintf("the %d processes can not have their old ids: %s", len(p.members), reason),
			Advice: "end what has the id, or restore the tree as root",
		}
	}
	if err := p.findTemporaryIDs(); err != nil {
		return err
	}
	if p.guardian, p.messages, err = p.newGuardian(p.process.PID); err == nil {
		p.guardian.tree = true
	}
	return err
}

// awaitIDs is takenIDs, but gives who has been killed a moment to be waited for.
func (p *preparation) awaitIDs() (reason string) {
	const moment, pause = 2 * time.Second, 5 * time.Millisecond
	for end := time.Now().Add(moment); ; time.Sleep(pause) {
		if reason = p.takenIDs(); !strings.HasSuffix(reason, hasEnded) || time.Now().After(end) {
			return reason
		}
	}
}

// neededIDs are the ids that must be free, those of threads included.
func (p *preparation) neededIDs() []int {
	var ids []int
	for _, b := range p.lineage.all {
		if b.temporary() {
			if b.pid != 0 {
				ids = append(ids, b.pid)
			}
			continue
		}
		for i := range b.process.Threads {
			ids = append(ids, b.process.Threads[i].TID)
		}
	}
	return ids
}

// findTemporaryIDs gives ids that nobody has or will need to the temporary
// processes that need none in particular: the highest ones, which the kernel
// gives out last.
func (p *preparation) findTemporaryIDs() error {
	needed := p.neededIDs()
	next := highestID()
	for _, b := range p.lineage.all {
		if b.pid != 0 {
			continue
		}
		for ; b.pid == 0; next-- {
			if next < 2 {
				return &HostError{Reason: "all process ids are taken"}
			}
			if !slices.Contains(needed, next) && errors.Is(syscall.Kill(next, 0), syscall.ESRCH) {
				b.pid = next
			}
		}
	}
	return nil
}

// highestID is the highest id of a process.
func highestID() int {
	const least = 1<<15 - 1
	text, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		return least
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return least
	}
	return limit - 1
}
