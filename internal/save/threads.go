package save

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"ckpt/internal/proc"
	"ckpt/internal/sys"
)

// lookBeyondLeader finds a thread that lives. The kernel keeps an ended leader as
// a zombie until the last thread has ended.
func (s *subject) lookBeyondLeader(pfs proc.FS) error {
	tids, err := s.proc.Tasks()
	if err != nil {
		return err
	}
	for _, tid := range tids {
		p := pfs.Process(tid)
		status, err := p.Status()
		if errors.Is(err, proc.ErrGone) || err == nil && status.Zombie() {
			continue
		} else if err != nil {
			return err
		}
		stat, err := p.Stat()
		if err != nil {
			return err
		}
		s.proc, s.status, s.stat, s.leaderDead = p, status, stat, true
		return nil
	}
	return nil // the last one has just ended
}

// threadsAtOnce is how many threads a processor looks at before it takes others.
const threadsAtOnce = 16

// checkThreads refuses threads that a restore could not make again, because
// they do not share with the others what threads share.
func (s *subject) checkThreads(pfs proc.FS) error {
	s.threads = map[int]*proc.Status{s.proc.PID: s.status}
	s.checkThread(pfs, s.proc.PID, s.status)
	if s.status.Threads == 1 {
		return nil
	}
	tids, err := pfs.Process(s.pid).Tasks()
	if err != nil {
		return err
	}
	tids = slices.DeleteFunc(tids, func(tid int) bool { return tid == s.proc.PID })
	s.lookNamespaces()
	all := make([]threadLook, len(tids))
	errs := spread(len(tids), threadsAtOnce, func(i int) (err error) {
		all[i], err = s.lookAtThread(pfs, tids[i])
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, l := range all {
		if l.status != nil {
			s.threads[l.status.Pid] = l.status
		}
	}
	for i, l := range all {
		if l.status == nil {
			continue
		}
		s.checkThread(pfs, tids[i], l.status)
		for _, what := range l.own {
			s.refuse(s.thread(tids[i]), "has "+what+" of its own, unlike the rest of its process", "")
		}
	}
	return nil
}

// checkThread refuses what stands against any thread.
func (s *subject) checkThread(pfs proc.FS, tid int, st *proc.Status) {
	name := s.thread(tid)
	switch n := st.TracerPid; {
	case n == 0, n == s.tracer:
	case ours(pfs, n):
		s.tracer = n
	case engine(pfs, n):
		s.heldBy = n
	default:
		tracer, _ := pfs.Process(n).Comm() // only for the message
		s.refuse(name, fmt.Sprintf("is being traced by %s (%d)", tracer, n), "let the debugger detach")
	}
	if st.Seccomp != 0 {
		s.refuse(name, "runs under a seccomp filter, which can not be read back", "start the program without its sandbox, or outside of the container that has set the filter")
	}
	if slices.Contains(st.ThreadFeatures, "shstk") {
		s.refuse(name, "uses a shadow stack (CET)", shadowStackAdvice)
	}
}

const shadowStackAdvice = "start it with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off"

// threadLook is a thread that is not the first one, as /proc shows it.
type threadLook struct {
	status *proc.Status // nil: it has ended
	own    []string     // what it has for itself that threads mostly share
}

func (s *subject) lookAtThread(pfs proc.FS, tid int) (l threadLook, err error) {
	l.status, err = pfs.Thread(s.pid, tid).Status()
	if errors.Is(err, proc.ErrGone) || err == nil && l.status.Zombie() {
		return threadLook{}, nil
	} else if err != nil {
		return threadLook{}, err
	}
	own := func(what string) { l.own = append(l.own, what) }
	st, all := l.status, s.status
	if st.Uid != all.Uid || st.Gid != all.Gid || !slices.Equal(st.Groups, all.Groups) {
		own("user or group ids")
	}
	if st.CapInh != all.CapInh || st.CapPrm != all.CapPrm || st.CapEff != all.CapEff || st.CapBnd != all.CapBnd || st.CapAmb != all.CapAmb {
		own("capabilities")
	}
	if st.NoNewPrivs != all.NoNewPrivs {
		own("a no_new_privs flag")
	}
	for _, share := range []struct {
		what int
		name string
	}{{sys.ShareDescriptors, "a descriptor table"}, {sys.ShareFS, "a working directory and umask"}} {
		// Errors mean that the thread has gone, or that the kernel does not tell.
		if shared, err := sys.Shared(s.proc.PID, tid, share.what); err == nil && !shared && !s.exiting(pfs, tid) {
			own(share.name)
		}
	}
	for _, ns := range threadNamespaces {
		theirs, err := os.Readlink(pfs.Thread(s.pid, tid).Path("ns/" + ns))
		if err == nil && s.namespaces[ns] != "" && s.namespaces[ns] != theirs {
			own("a namespace (" + ns + ")")
		}
	}
	return l, nil
}

// threadNamespaces are those that a thread can leave by itself.
var threadNamespaces = []string{"mnt", "net", "ipc", "uts", "cgroup", "pid_for_children"}

// lookNamespaces reads in which namespaces the process is, as far as this kernel
// has them.
func (s *subject) lookNamespaces() {
	s.namespaces = map[string]string{}
	for _, ns := range threadNamespaces {
		s.namespaces[ns], _ = os.Readlink(s.proc.Path("ns/" + ns))
	}
}

// exiting reports whether a thread is on its way out and has given up what it
// shared, which happens only while the process runs.
func (s *subject) exiting(pfs proc.FS, tid int) bool {
	st, err := pfs.Thread(s.pid, tid).Stat()
	return err != nil || st.Exiting()
}
