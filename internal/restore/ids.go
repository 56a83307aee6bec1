package restore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/sys"
)

// A mutex may hold the id of the thread that owns it, which is compared when it
// is unlocked: error-checking and recursive ones, robust ones, those with
// priority inheritance. So threads keep their ids where the kernel lets us choose
// them (clone3(2), set_tid). Where it does not, they get new ones, unless a held
// mutex is seen: only robust ones can be, in the list that the kernel has of them.
//
// The first thread has the process's id. So a process with several threads keeps
// that as well, and restore stays beside it as its parent (guardian). With one
// thread it hardly matters, since nobody else can hold a mutex that it waits for:
// it gets the id of its restore, unless --pid keep asks for its own.

// chooseIDs decides whether the process and its threads keep their ids, or
// refuses.
func (p *preparation) chooseIDs() (err error) {
	if p.isTree() {
		return p.keepAllIDs()
	}
	threads := p.process.Threads
	if len(threads) == 1 && p.o.PID != PIDKeep {
		return nil
	}
	reason := "--pid new"
	if p.o.PID != PIDNew {
		reason = p.awaitIDs()
	}
	if p.setApart(reason) {
		if !p.o.rehearsal {
			return nil
		}
		reason = "" // in there
	}
	if reason == "" {
		if p.process.PID != os.Getpid() {
			p.guardian, p.messages, err = p.newGuardian(p.process.PID)
		}
		return err
	}
	if p.o.noNamespace != "" {
		reason += "; and " + p.o.noNamespace
	}
	if p.o.PID == PIDKeep {
		return &HostError{Reason: fmt.Sprintf("the process can not have its old id %d: %s", p.process.PID, reason), Advice: "use --pid auto"}
	}
	p.newTIDs = true
	for i := range threads {
		t := &threads[i]
		if t.Dead {
			continue
		}
		held, err := p.holdsRobust(t)
		if err != nil {
			return err
		}
		if held {
			return &HostError{
				Reason: fmt.Sprintf("thread %d holds a mutex that knows its owner by its id, and would get another id (%s)", t.TID, reason),
				Advice: "save it again at another moment, or restore it as root",
			}
		}
	}
	p.o.Warn("thread ids", fmt.Sprintf("all %d are new (%s): a recursive or error-checking mutex that a thread held can not be unlocked", len(threads), reason))
	return nil
}

// takenIDs says why the threads can not have their ids; empty: they can.
func (p *preparation) takenIDs() string {
	if p.o.taken != "" {
		return p.o.taken
	}
	if err := sys.ProbeSetTID(); err != nil {
		return "choosing it takes CAP_CHECKPOINT_RESTORE"
	}
	inPlace := p.process.PID == os.Getpid() && !p.isTree()
	for _, tid := range p.neededIDs() {
		if tid == p.process.PID && inPlace {
			continue
		}
		if tid == os.Getpid() {
			return fmt.Sprintf("%d is the id of this restore", tid)
		}
		if err := syscall.Kill(tid, 0); errors.Is(err, syscall.ESRCH) {
			continue
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid)); inPlace && !errors.Is(err, fs.ErrNotExist) {
			continue // it ends with the execve
		}
		return "in the meantime " + p.owner(tid)
	}
	return ""
}

// hasEnded ends what owner says of a zombie.
const hasEnded = ", which has ended and waits for its parent"

// owner says who has an id.
func (p *preparation) owner(tid int) string {
	other := p.host.fs.Process(tid)
	name, err := other.Comm()
	if err != nil {
		return fmt.Sprintf("%d is taken", tid)
	}
	state := ""
	if s, err := other.Status(); err == nil && s.Zombie() {
		state = hasEnded
	}
	return fmt.Sprintf("%d is the id of %s%s", tid, name, state)
}

// holdsRobust reports whether a robust mutex is in the thread's list, or on its
// way into or out of it (Documentation/locking/robust-futex-ABI.rst).
func (p *preparation) holdsRobust(t *image.Thread) (bool, error) {
	if t.RobustList.Head == 0 {
		return false, nil
	}
	var head [24]byte // next, offset of the futex, pending
	if err := p.image.Space(0).ReadMemory(uint64(t.RobustList.Head), head[:]); err != nil {
		return false, err
	}
	next, pending := binary.LittleEndian.Uint64(head[:]), binary.LittleEndian.Uint64(head[16:])
	return next != 0 && next != uint64(t.RobustList.Head) || pending != 0, nil
}
