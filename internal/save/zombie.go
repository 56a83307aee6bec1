package save

import (
	"errors"
	"io/fs"
	"os"

	"ckpt/internal/image"
)

// checkZombie refuses a process that has ended if the kernel does not tell us
// how: it shows 0 to those who may not trace it (proc_pid_stat(5)).
func (s *subject) checkZombie() {
	if _, err := os.Readlink(s.proc.Path("ns/user")); errors.Is(err, fs.ErrPermission) {
		s.refuse("process", "has ended, and may not be asked how by this user", "run ckpt as root, or wait until its parent has taken note of it")
	}
}

// describeZombie fills in all that there is of a process that has ended.
func (s *subject) describeZombie(p *image.Process) {
	p.PID, p.PPID, p.PGID, p.SID = s.pid, s.stat.PPid, s.stat.Pgrp, s.stat.Session
	p.Zombie, p.ExitStatus = true, s.stat.ExitCode
	p.Credentials = s.credentials()
	p.Threads = []image.Thread{{TID: s.pid, Comm: s.comm, Dead: true}}
}
