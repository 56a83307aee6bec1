package restore

import (
	"fmt"
	"os"

	"ckpt/internal/image"
)

// member is a process of the image: what is found out about it before the plan
// is written.
type member struct {
	index   int // in Manifest.Processes
	process *image.Process
	thread  *image.Thread  // the first one that lives
	limits  []image.Rlimit // those it gets, see takeLimits
	name    string         // "process 4711: " for messages; "" if there is only one
}

// newMembers checks the processes of the image one by one.
func newMembers(m *image.Manifest) ([]*member, error) {
	var all []*member
	for i := range m.Processes {
		p := &m.Processes[i]
		one := &member{index: i, process: p, thread: &p.Threads[0]}
		if one.thread.Dead && len(p.Threads) > 1 {
			one.thread = &p.Threads[1]
		}
		if len(m.Processes) > 1 {
			one.name = fmt.Sprintf("process %d: ", p.PID)
		}
		if err := checkManifest(p); err != nil {
			return nil, fmt.Errorf("%s%w", one.name, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// admit decides whether the process can be what it was, and says what will be
// different.
func (p *preparation) admit(m *member) error {
	if m.process.Zombie {
		return nil
	}
	if err := p.compareUser(m); err != nil {
		return m.refuse(err)
	}
	p.warnCredentials(m)
	if m.process.Stopped {
		p.o.Warn(m.name+"process", "was stopped when it was saved, and is again: continue it with fg or kill -CONT")
	}
	if info, err := os.Stat(m.process.Cwd); err != nil || !info.IsDir() {
		return m.refuse(&HostError{Reason: fmt.Sprintf("the program's working directory %s is gone", m.process.Cwd), Advice: "create it again"})
	}
	return m.refuse(p.takeLimits(m))
}

// refuse says whom an error is about.
func (m *member) refuse(err error) error {
	if err == nil || m.name == "" {
		return err
	}
	return fmt.Errorf("%s%w", m.name, err)
}

// owns reports whether the process has memory that no earlier one has.
func (m *member) owns() bool { return m.process.Shares.Memory == 0 }

// memory is the process whose memory it has: itself, but for CLONE_VM.
func (m *member) memory() int {
	if with := m.process.Shares.Memory; with != 0 {
		return with
	}
	return m.process.PID
}

// member finds a process by its saved id.
func (p *preparation) member(pid int) *member {
	for _, m := range p.members {
		if m.process.PID == pid {
			return m
		}
	}
	return nil
}

// isTree reports whether there are several processes.
func (p *preparation) isTree() bool { return len(p.members) > 1 }
