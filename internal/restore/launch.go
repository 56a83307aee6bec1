package restore

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// launch gives this thread what an execve keeps, and makes the execve.
func (p *preparation) launch(program []byte) error {
	file, err := sys.ExecutableFile(program)
	if err != nil {
		return &HostError{Reason: fmt.Sprintf("no file can be made and executed: %v", err), Advice: "set TMPDIR to a directory that is not mounted noexec"}
	}
	defer file.Close()
	if err := p.inherit(); err != nil {
		return err
	}
	if p.guardian != nil {
		first, err := p.guardian.start(file, p.thread.Comm, p.files.passed())
		if err != nil {
			return err
		}
		_ = p.messages.Close() // only handed on
		p.files.release()
		return p.guardian.begin(first)
	}
	for _, f := range p.files.passed() {
		if err := sys.KeepOnExec(int(f.Fd())); err != nil {
			return err
		}
	}
	if err := sys.BlockAllSignals(); err != nil {
		return err
	}
	// The program's own arguments are in its memory. Here they would only count
	// against its stack limit.
	return sys.ExecFD(int(file.Fd()), []string{p.thread.Comm}, nil)
}

// inherit sets what survives an execve: what can fail with a reason is better
// done here than in the plan.
func (p *preparation) inherit() error {
	t, a := p.thread, p.process.Attributes
	if err := os.Chdir(p.process.Cwd); err != nil {
		return &HostError{Reason: "the program's working directory is gone: " + err.Error(), Advice: "create it again"}
	}
	syscall.Umask(p.process.Umask)
	// Both decide how the kernel lays out the fresh process.
	if l := p.members[0].limits[sys.RlimitStack]; l.Cur != 0 {
		if err := sys.SetLimit(sys.RlimitStack, l.Cur, l.Max); err != nil {
			return err
		}
	}
	if err := sys.SetPersonality(a.Personality); err != nil {
		return err
	}
	p.warnIf("nice value", fmt.Sprintf("stays %d", p.host.nice), sys.SetNice(0, t.Nice))
	if policy, priority, err := sys.Scheduler(0); err != nil || policy != t.Policy || priority != t.Priority {
		p.warnIf("scheduling policy", "is that of this shell", sys.SetScheduler(0, t.Policy, t.Priority))
	}
	if len(t.Affinity) > 0 {
		p.warnIf("CPU affinity", "is that of this shell", sys.SetAffinity(0, t.Affinity))
	}
	if own, err := sys.IOPriority(0); err != nil || own != t.IOPrio {
		p.warnIf("I/O priority", "is that of this shell", sys.SetIOPriority(0, t.IOPrio))
	}
	if err := p.keepClocks(); err != nil {
		return err
	}
	const file = "/proc/self/oom_score_adj"
	score := strconv.Itoa(a.OOMScoreAdj)
	if own, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(own)) != score {
		p.warnIf("oom_score_adj", "stays as it is", os.WriteFile(file, []byte(score), 0))
	}
	return nil
}

// warnIf says that an attribute could not be restored.
func (p *preparation) warnIf(object, instead string, err error) {
	if err != nil {
		p.o.Warn(object, fmt.Sprintf("could not be restored and %s: %v", instead, err))
	}
}

// newPID is the id that the process and its first thread will have: the saved
// one if there is a guardian; else an execve keeps ours.
func (w *writer) newPID() int {
	if w.p.guardian != nil {
		return w.m.process.PID
	}
	return os.Getpid()
}

// kernelRestoresTimerIDs reports whether timers can be made with a chosen id.
func kernelRestoresTimerIDs() bool {
	if _, err := sys.Prctl(abi.PrTimerRestoreIDs, abi.PrTimerRestoreOn); err != nil {
		return false
	}
	_, err := sys.Prctl(abi.PrTimerRestoreIDs, abi.PrTimerRestoreOff)
	return err == nil
}
