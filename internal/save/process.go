package save

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"ckpt/internal/image"
	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// subject is a process that is to be saved, as /proc shows it at one moment.
type subject struct {
	pid int
	// proc is where to see what the threads share. It is the directory of a
	// thread that lives: that of a leader that has ended shows neither memory
	// nor files.
	proc       proc.Process
	status     *proc.Status
	stat       *proc.Stat
	comm       string // of the leader
	start      uint64 // of the leader: with the pid it names the process for good
	leaderDead bool
	fds        []int // descriptors
	exe, cwd   proc.Link
	still      bool                 // it is frozen, and nobody gives it descriptors
	tracer     int                  // a thread of ours, by which it is frozen
	heldBy     int                  // another engine, which saves it right now
	hidden     bool                 // it may not be looked into, though it is our user's
	zombie     bool                 // it has ended, but its parent has not waited for it
	threads    map[int]*proc.Status // those that live
	namespaces map[string]string    // threadNamespaces; only of a process of several threads
	areas      []image.Area         // found by check
	images     map[mappedFile]bool  // that memory is mapped from
	early      []proc.VMA           // found by earlyMaps
	shares     image.Shares         // with earlier ones
	findings
	ours *[]int // see ourFDs
}

// name is what messages call the process: "python3 (4711)".
func (s *subject) name() string { return fmt.Sprintf("%s (%d)", s.comm, s.pid) }

// thread is what messages call a thread, in a process of one thread "process".
func (s *subject) thread(tid int) string {
	if len(s.threads) <= 1 {
		return "process"
	}
	return fmt.Sprintf("thread %d (%s)", tid, s.threads[tid].Name)
}

// look reads what the process is and notes what about it as a whole can not be
// saved. ErrNoProcess if there is none.
func look(pfs proc.FS, pid int) (*subject, error) {
	s := &subject{pid: pid, proc: pfs.Process(pid)}
	var err error
	if s.status, err = s.proc.Status(); err != nil {
		return nil, gone(pid, err)
	}
	if s.stat, err = s.proc.Stat(); err != nil {
		return nil, gone(pid, err)
	}
	s.comm, s.start = s.status.Name, s.stat.StartTime
	if s.status.Zombie() && s.status.Threads > 1 {
		if err := s.lookBeyondLeader(pfs); err != nil {
			return nil, gone(pid, err)
		}
	}
	switch {
	case s.status.KernelThread():
		s.refuse("process", "is a kernel thread, which has no memory of its own", "")
		return s, nil
	case s.status.Zombie():
		s.zombie = true
		s.checkZombie()
		return s, nil
	case s.status.Tgid != pid:
		s.refuse("process", fmt.Sprintf("is a thread of process %d", s.status.Tgid), "save that one")
		return s, nil
	}
	var noFDs, noExe error
	s.fds, noFDs = s.proc.FDs()
	s.exe, noExe = s.proc.Exe() // even root may not, in a container that keeps its first process to itself
	if errors.Is(noFDs, fs.ErrPermission) || errors.Is(noExe, fs.ErrPermission) {
		// One that is ending belongs to root for a moment.
		if st, err := s.proc.Status(); err != nil || st.Over() {
			return nil, ended(pid)
		}
		s.refuseForeign()
		return s, nil
	}
	if pid == os.Getpid() {
		s.refuse("process", "is this very ckpt", "run ckpt from outside of what it saves")
		return s, nil
	}
	if isRestore(pid) && firstChild(s.proc, pid) == 0 {
		s.refuse("process", "is a ckpt restore that has not brought its program back yet", "wait until the program runs")
		return s, nil
	}
	if err := s.checkPlace(); err != nil {
		return nil, gone(pid, err)
	}
	if err := s.checkThreads(pfs); err != nil {
		return nil, gone(pid, err)
	}
	return s, nil
}

// refuseForeign refuses a process that we may not look into.
func (s *subject) refuseForeign() {
	if os.Geteuid() == 0 {
		s.refuse("process", "may not be looked into, not even by root: a container or a security module forbids it", "run ckpt outside of it")
		return
	}
	if uid := os.Geteuid(); s.status.Uid == [4]int{uid, uid, uid, uid} {
		s.hidden = true
		s.refuse("process", "does not let its own user look into it (it has capabilities, or a program that may not be read, or it called prctl(PR_SET_DUMPABLE, 0))",
			"run ckpt as root")
		return
	}
	s.refuse("process", fmt.Sprintf("may not be looked into by uid %d (its uid is %d)", os.Geteuid(), s.status.Uid[0]),
		"run ckpt as its owner or as root")
}

// ours reports whether a tracer is a thread of this process.
func ours(pfs proc.FS, tid int) bool {
	_, err := os.Stat(pfs.Thread(os.Getpid(), tid).Path("."))
	return err == nil
}

// gone makes ErrNoProcess of the errors that say so.
func gone(pid int, err error) error {
	if errors.Is(err, proc.ErrGone) || errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("process %d: %w", pid, ErrNoProcess)
	}
	return err
}

// checkExecutable refuses programs of another word size. It is no part of look, which
// waits for no file system.
func (s *subject) checkExecutable() error {
	if s.zombie || len(s.obstacles) > 0 {
		return nil
	}
	f, err := os.Open(s.proc.Path("exe"))
	if err != nil {
		return gone(s.pid, fmt.Errorf("open the program of process %d: %w", s.pid, err))
	}
	defer f.Close()
	var ident [elf.EI_NIDENT]byte
	if _, err := f.ReadAt(ident[:], 0); err != nil || !bytes.HasPrefix(ident[:], []byte(elf.ELFMAG)) {
		s.refuse("program", "is not an ELF file", "")
		return nil
	}
	if elf.Class(ident[elf.EI_CLASS]) != elf.ELFCLASS64 {
		s.refuse("program", "is a 32-bit program", "only 64-bit programs can be saved")
	}
	return nil
}

// namespaces are those that a process is to have in common with us.
var namespaces = [...]struct{ file, what string }{
	{"mnt", "mount"}, {"pid", "pid"}, {"user", "user"}, {"net", "network"}, {"ipc", "IPC"}, {"uts", "UTS (host name)"},
}

// ourNamespaces are ours, which never change; those that can not be read are empty.
var ourNamespaces = sync.OnceValue(func() (ours [len(namespaces)]string) {
	for i, ns := range namespaces {
		ours[i], _ = os.Readlink("/proc/self/ns/" + ns.file)
	}
	return ours
})

// checkPlace refuses a process that sees other files or ids than we do.
func (s *subject) checkPlace() error {
	for i, ns := range namespaces {
		theirs, err := os.Readlink(s.proc.Path("ns/" + ns.file))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without them
		} else if err != nil {
			return fmt.Errorf("look at the namespaces of process %d: %w", s.pid, err)
		}
		if ours := ourNamespaces()[i]; ours != "" && ours != theirs {
			s.refuse("process", "is in another "+ns.what+" namespace, perhaps a container", "run ckpt inside it, to save and to restore (nsenter)")
			return nil
		}
	}
	root, err := s.proc.Root()
	if err != nil {
		return err
	}
	if root.Path != "/" {
		s.refuse("process", "has another root directory: "+root.Path, "run ckpt inside it, to save and to restore (chroot)")
	}
	if s.cwd, err = s.proc.Cwd(); err != nil {
		return err
	}
	if s.cwd.Deleted {
		s.refuse("working directory", s.cwd.Path+" was deleted", "create it again and chdir into it")
	}
	return nil
}

// describe fills what a look tells into the manifest.
func (s *subject) describe(p *image.Process) error {
	p.PID, p.PPID, p.PGID, p.SID = s.pid, s.stat.PPid, s.stat.Pgrp, s.stat.Session
	p.Umask, p.Shares = s.status.Umask, s.shares
	p.Credentials = s.credentials()
	p.Memory = image.Memory{
		StartCode: image.Addr(s.stat.StartCode), EndCode: image.Addr(s.stat.EndCode),
		StartData: image.Addr(s.stat.StartData), EndData: image.Addr(s.stat.EndData),
		StartBrk: image.Addr(s.stat.StartBrk), StartStack: image.Addr(s.stat.StartStack),
		ArgStart: image.Addr(s.stat.ArgStart), ArgEnd: image.Addr(s.stat.ArgEnd),
		EnvStart: image.Addr(s.stat.EnvStart), EnvEnd: image.Addr(s.stat.EnvEnd),
	}
	p.Attributes.NoNewPrivs = s.status.NoNewPrivs
	var err error
	if s.exe.Path == "" {
		if s.exe, err = s.proc.Exe(); err != nil {
			return err
		}
	}
	p.Exe, p.Cwd = s.exe.Path, s.cwd.Path
	if p.Args, err = s.proc.Cmdline(); err != nil {
		return err
	}
	auxv, err := s.proc.Auxv()
	if err != nil {
		return err
	}
	p.Auxv = auxv.Raw
	limits, err := s.limits()
	if err != nil {
		return err
	}
	for _, l := range limits {
		p.Limits = append(p.Limits, image.Rlimit{Cur: l.Cur, Max: l.Max})
	}
	if p.Attributes.Personality, err = s.proc.Personality(); err != nil {
		return err
	}
	p.Attributes.OOMScoreAdj, err = s.proc.OOMScoreAdj()
	return err
}

// limits are the process's resource limits. It is quicker to ask for them than to read
// them, but not always allowed.
func (s *subject) limits() (limits [16]proc.Limit, err error) {
	for i := range limits {
		if limits[i].Cur, limits[i].Max, err = sys.LimitOf(s.proc.PID, i); err != nil {
			return s.proc.Limits()
		}
	}
	return limits, nil
}

func (s *subject) credentials() image.Credentials {
	return image.Credentials{
		UID: s.status.Uid, GID: s.status.Gid, Groups: s.status.Groups,
		Inheritable: s.status.CapInh, Permitted: s.status.CapPrm, Effective: s.status.CapEff,
		Bounding: s.status.CapBnd, Ambient: s.status.CapAmb, Seccomp: s.status.Seccomp,
	}
}
