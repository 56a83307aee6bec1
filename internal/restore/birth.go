package restore

import (
	"fmt"
	"strconv"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/plan"
)

// Until all processes of a tree are there and complete, none may outlive the
// others: each dies with its parent (PR_SET_PDEATHSIG), and the first one with
// restore. So nothing is left of a restore that fails or is killed.

// adoptionLimit bounds, in seconds, the wait for the end of a process that ends
// at once.
const adoptionLimit = 20

// makeFirst adds the making of the process with the saved id, which walks on as
// a child of restore.
func (w *writer) makeFirst(g *guardian) {
	first := w.b
	all := first.Data(words(^uint64(0)))
	first.Call("block all signals", abi.SysRtSigprocmask, plan.Imm(sigSetMask), all, plan.Imm(0), plan.Imm(8))
	own := w.spawn(w.birth, abi.CloneParent)
	first.Call("end the process that started it", abi.SysExitGroup)
	w.b = own
	w.dieWith(w.p.ownPID, syscall.SIGKILL)
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

// The steps that give out ids, before the id.
const startProcess, startThread = "start process ", "start thread "

const sigSetMask = 2 // SIG_SETMASK

// spawn adds the call that makes a process with its id, and gives the list of
// what that does.
func (w *writer) spawn(b *birth, flags uint64) *plan.Builder {
	signal := uint64(syscall.SIGCHLD)
	if flags&abi.CloneParent != 0 || b.temporary() {
		signal = 0 // the first one's is its parent's; nobody waits for the others but those who know them
	}
	id := w.b.Data(words(uint64(b.pid)))
	args := words(flags, 0, 0, 0, signal, 0, 0, 0, w.block+id.Imm, 1)
	own, step := w.b.Spawn(startProcess+strconv.Itoa(b.pid), abi.SysClone3, w.b.Data(args), plan.Int(len(args)))
	step.Want(plan.Int(b.pid))
	if w.p.isTree() {
		own.About(fmt.Sprintf("process %d: ", b.pid))
	}
	return own
}

// dieWith has the process get a signal when its parent ends, and makes sure that
// it has not ended already.
func (w *writer) dieWith(parent int, signal syscall.Signal) {
	w.b.Call("ask for a signal when the parent ends", abi.SysPrctl, plan.Imm(abi.PrSetPDeathSig), plan.Int(int(signal)))
	w.b.Call("look for the parent", abi.SysGetppid).Want(plan.Int(parent))
}

// beBorn adds what a new process does first.
func (w *writer) beBorn() {
	signal := syscall.SIGKILL
	if w.birth.adopted {
		signal = adoptionSignal
	}
	w.dieWith(w.birth.maker.pid, signal)
}

// adoptionSignal tells a process that its maker has ended. It is blocked, as all
// are.
const adoptionSignal = syscall.SIGUSR1

// family adds the process's place in the tree: its session, its group, and all
// whom it makes.
func (w *writer) family() error {
	b := w.birth
	w.startParents()
	if err := w.makeChildren(b.children[:b.early]); err != nil {
		return err
	}
	switch b.leads {
	case leadsSession:
		w.b.Call("begin a session", abi.SysSetsid).Want(plan.Int(b.pid))
		if !b.temporary() {
			w.p.files.takeTerminal(w.b, w.m.process)
		}
	case leadsGroup:
		w.b.Call("begin a process group", abi.SysSetpgid)
	}
	return w.makeChildren(b.children[b.early:])
}

// makeChild adds the making of a process, and all that it does.
func (w *writer) makeChild(c *birth) error {
	child := &writer{p: w.p, site: w.site, birth: c, inherits: w.inherits}
	if w.m != nil && w.fillsFirst() {
		child.inherits = w.m
	}
	flags, err := w.sharing(c)
	if err != nil {
		return err
	}
	child.b = w.spawn(c, flags)
	child.beBorn()
	if c.temporary() {
		return child.writeTemporary()
	}
	child.is(w.p.members[c.index])
	if child.m.process.Zombie {
		return child.writeZombie()
	}
	return child.writeProcess()
}

// settle adds the waiting for all processes, so that those can join a group whose
// leaders are there, and be adopted who are made by a temporary process.
func (w *writer) settle() {
	b, l := w.birth, w.lineage
	if !l.meets() {
		return
	}
	w.meetAll(w.present)
	if b.join != 0 && b.leads == leadsNothing {
		w.joinGroup()
	}
	w.meetAll(w.grouped)
	if b.join != 0 && b.leads != leadsNothing {
		w.joinGroup()
	}
	w.meetAll(w.settled)
	w.adopt()
	for _, c := range b.children {
		if c.temporary() {
			w.b.Call(fmt.Sprintf("wait for the end of the temporary process %d", c.pid), abi.SysWait4,
				plan.Int(c.pid), plan.Imm(0), plan.Imm(wAll)).Want(plan.Int(c.pid))
		}
	}
}

func (w *writer) joinGroup() {
	group := w.birth.join
	if n, ok := w.p.files.context.Groups[group]; ok {
		group = n
	}
	w.b.Call(fmt.Sprintf("join process group %d", group), abi.SysSetpgid, plan.Imm(0), plan.Int(group))
}

// adopt adds the process's part in the adoptions.
func (w *writer) adopt() {
	b, l := w.birth, w.lineage
	for i, adopter := range l.adopters {
		n, begun, done := l.adoptees(adopter), w.at(w.adoptions[i].begun), w.at(w.adoptions[i].done)
		switch {
		case adopter == b || adopter == nil && b == l.root:
			if i > 0 {
				last := l.adopters[i-1]
				w.b.Await("wait for other adoptions", w.at(w.adoptions[i-1].done), plan.Int(l.adoptees(last)))
			}
			w.subreaper(adopter != nil)
			w.b.Add("begin to adopt", begun, plan.Imm(1))
			w.b.Await("adopt all", done, plan.Int(n))
			w.subreaper(false)
		case b.yields && b.adopter == adopter:
			w.b.Await("wait for the adopter", begun, plan.Imm(1))
		case b.adopted && b.adopter == adopter:
			w.awaitAdoption()
			w.b.Add("be adopted", done, plan.Imm(1))
		}
	}
	if n := len(l.adopters); n > 0 && !b.temporary() {
		// From now on whoever was a subreaper can be one.
		w.b.Await("wait for all adoptions", w.at(w.adoptions[n-1].done), plan.Int(l.adoptees(l.adopters[n-1])))
	}
}

// awaitAdoption waits for the end of the maker, and from then on dies with the
// adopter.
func (w *writer) awaitAdoption() {
	parent := w.p.ownPID
	if a := w.birth.adopter; a != nil {
		parent = a.pid
	}
	set := w.b.Data(words(1 << (adoptionSignal - 1)))
	w.b.Call("wait for the end of the one who made it", abi.SysRtSigtimedwait, set, plan.Imm(0),
		w.b.Data(words(adoptionLimit, 0)), plan.Imm(8)).Want(plan.Int(int(adoptionSignal)))
	w.dieWith(parent, syscall.SIGKILL)
}

func (w *writer) subreaper(on bool) {
	w.b.Call("set the subreaper attribute", abi.SysPrctl, plan.Imm(abi.PrSetChildSubreaper), plan.Imm(flag(on)))
}

// writeTemporary is the whole life of a temporary process.
func (w *writer) writeTemporary() error {
	if err := w.family(); err != nil {
		return err
	}
	w.settle()
	w.b.Call("end the temporary process", abi.SysExitGroup)
	return nil
}

// writeZombie is the life of a process that had ended: it ends again as it had.
func (w *writer) writeZombie() error {
	if err := w.family(); err != nil {
		return err
	}
	w.settle()
	w.name()
	if c := w.m.process.Credentials; c.UID != w.p.host.status.Uid || c.GID != w.p.host.status.Gid {
		w.ids(c.UID, c.GID) // its parent may ask for them
	}
	status := syscall.WaitStatus(w.m.process.ExitStatus)
	if status.Signaled() {
		sig := plan.Int(int(status.Signal()))
		w.b.Call("dump no core", abi.SysPrlimit64, plan.Imm(0), plan.Imm(syscall.RLIMIT_CORE), w.b.Data(words(0, 0)), plan.Imm(0))
		w.b.Call("let a signal end the process", abi.SysRtSigaction, sig, w.b.Data(words(0, 0, 0, 0)), plan.Imm(0), plan.Imm(8)).MayFail() // not SIGKILL
		w.b.Call("get the signal that ended it", abi.SysKill, plan.Int(w.birth.pid), sig)
		w.b.Call("let it end the process", abi.SysRtSigprocmask, plan.Imm(sigSetMask), w.b.Data(words(0)), plan.Imm(0), plan.Imm(8))
	}
	w.b.Call("end as it had ended", abi.SysExitGroup, plan.Int(status.ExitStatus()))
	return nil
}

// Options of waitid(2).
const (
	waitPID   = 1 // P_PID
	wStopped  = 2
	wExited   = 4
	wContinue = 8
	wNoWait   = 0x01000000
	wAll      = 0x40000000 // __WALL: also those whose end gives another signal
)

// goOn stops a process whose parent can still wait for its going on, so that that
// one can let it go on.
func (w *writer) goOn() {
	done, goesOn := w.continued[w.birth]
	if !goesOn {
		return
	}
	w.b.Call("stop, to be continued", abi.SysKill, plan.Int(w.newPID()), plan.Int(int(syscall.SIGSTOP)))
	w.dropSignal(syscall.SIGCONT)
	w.b.Add("say that it goes on", w.at(done), plan.Imm(1))
}

// letGoOn is the parent's part of it.
func (w *writer) letGoOn(c *birth) {
	w.b.Call(fmt.Sprintf("wait until process %d is stopped", c.pid), abi.SysWaitid, plan.Imm(waitPID), plan.Int(c.pid), plan.Imm(0), plan.Imm(wStopped|wExited|wNoWait|wAll))
	w.b.Call(fmt.Sprintf("let process %d go on", c.pid), abi.SysKill, plan.Int(c.pid), plan.Int(int(syscall.SIGCONT)))
	w.b.Await(fmt.Sprintf("wait until process %d goes on", c.pid), w.at(w.continued[c]), plan.Imm(1))
}

// awaitZombies waits until all children that had ended have done so again, and
// those go on that had been continued, and drops what the kernel said about it:
// what the program had not heard of yet is among its pending signals.
func (w *writer) awaitZombies() {
	zombies := w.childrenWho(func(c *birth) bool { return c.process.Zombie })
	for _, c := range zombies {
		w.b.Call(fmt.Sprintf("wait for the end of process %d", c.pid), abi.SysWaitid, plan.Imm(waitPID), plan.Int(c.pid), plan.Imm(0), plan.Imm(wExited|wNoWait|wAll))
	}
	continued := w.childrenWho(goesOn)
	for _, c := range continued {
		w.letGoOn(c)
	}
	if len(zombies)+len(continued) > 0 {
		w.dropSignal(syscall.SIGCHLD)
	}
}

// goesOn reports whether the process's parent can still wait for its going on.
func goesOn(b *birth) bool {
	return !b.temporary() && syscall.WaitStatus(b.process.Untold).Continued()
}

// awaitStopped does the same about children that stop. What the parent had been
// told before, it waits for here.
func (w *writer) awaitStopped() {
	all := w.childrenWho(func(c *birth) bool { return c.process.Stopped })
	for _, c := range all {
		w.b.Call(fmt.Sprintf("wait until process %d is stopped", c.pid), abi.SysWaitid, plan.Imm(waitPID), plan.Int(c.pid), plan.Imm(0), plan.Imm(wStopped|wContinue|wExited|wNoWait|wAll))
		if c.process.Untold == 0 {
			w.b.Call(fmt.Sprintf("know that process %d is stopped", c.pid), abi.SysWaitid, plan.Imm(waitPID), plan.Int(c.pid), plan.Imm(0), plan.Imm(wStopped|syscall.WNOHANG|wAll))
		}
	}
	if len(all) > 0 {
		w.dropSignal(syscall.SIGCHLD)
		w.signalAction(int(syscall.SIGCHLD))
		w.queue(func(sig int) bool { return sig == int(syscall.SIGCHLD) })
	}
}

// dropSignal takes back signals that are pending: the kernel does that when the
// action becomes to ignore them, as the default of these is (kernel/signal.c,
// do_sigaction).
func (w *writer) dropSignal(s syscall.Signal) {
	w.b.Call(fmt.Sprintf("forget about signal %d", int(s)), abi.SysRtSigaction, plan.Int(int(s)), w.b.Data(words(0, 0, 0, 0)), plan.Imm(0), plan.Imm(8))
}

// childrenWho are some of the children that the process has in the end.
func (w *writer) childrenWho(are func(*birth) bool) (all []*birth) {
	for _, c := range w.lineage.childrenOf(w.birth) {
		if are(c) {
			all = append(all, c)
		}
	}
	return all
}
