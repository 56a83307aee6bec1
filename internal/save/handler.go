package save

import (
	"errors"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/proc"
	"ckpt/internal/ptrace"
)

// askTimeout is how long a process may take to stop for a question.
const askTimeout = 2 * time.Second

// Handler asks a process, which stands still for it for a millisecond or two, for the
// address of its handler of a signal; 0 and 1 are SIG_DFL and SIG_IGN. It takes the
// same care as a save: calls that the process waits in are waited in again.
func Handler(pid, sig int) (address uint64, err error) {
	err = onOwnThread(func() error {
		k := kin{fs: proc.Host(), root: pid, alone: true}
		s, err := look(k.fs, pid)
		if err != nil {
			return err
		}
		if err := s.checkExecutable(); err != nil {
			return err
		}
		if len(s.obstacles) > 0 || s.zombie {
			return &RefusedError{s.name(), s.obstacles}
		}
		before := &prepared{codes: map[int]ptrace.Gadgets{pid: findCode(s.proc)}}
		m := &member{s: s, c: &collector{o: Options{Timeout: askTimeout}, kin: k, before: before}}
		f, err := freeze(&k, []relative{{pid, s.stat.PPid}}, askTimeout)
		if err != nil {
			return explain(k.fs, pid, err)
		}
		m.frozen, m.c.frozen, m.c.members = f.processes[0], f, []*member{m}
		err = m.askActions(s.status.SigCgt)
		address = m.p.Signals.Actions[sig].Handler
		return errors.Join(err, f.release())
	})
	return address, err
}

// askActions asks a frozen process for its actions of those signals.
func (m *member) askActions(signals uint64) (err error) {
	if m.vmas, err = m.s.proc.Maps(); err != nil {
		return err
	}
	m.listThreads()
	in, _, err := m.injector()
	if err != nil {
		return err
	}
	r := newRemote(in)
	m.p.Signals.Actions = map[int]abi.SigAction{}
	for sig := 1; sig <= abi.NSig; sig++ {
		if signals>>(sig-1)&1 != 0 {
			r.call("signal actions", abi.SysRtSigaction, uint64(sig), 0, r.scratch, 8)
			w := r.words(4)
			m.p.Signals.Actions[sig] = abi.SigAction{Handler: w[0], Flags: w[1], Restorer: w[2], Mask: w[3]}
		}
	}
	if err := errors.Join(r.err, in.Close()); err != nil {
		return err
	}
	if err := m.threadStates(); err != nil {
		return err
	}
	return refusal([]*subject{m.s}) // a call that can not be known
}
