package save

import (
	"errors"
	"time"

	"ckpt/internal/proc"
)

// askTimeout is how long a process may take to stop for a question.
const askTimeout = 2 * time.Second

var errOnlyAsked = errors.New("it is only asked")

// Handler asks a process, which stands still for it as long as a small save takes,
// for the address of its handler of a signal; 0 and 1 are SIG_DFL and SIG_IGN. It
// takes the same care as a save: calls that the process waits in are waited in again.
func Handler(pid, sig int) (address uint64, err error) {
	err = onOwnThread(func() error {
		k := kin{fs: proc.Host(), root: pid, alone: true}
		s, err := look(k.fs, pid)
		if err != nil {
			return err
		}
		if len(s.obstacles) > 0 || s.zombie {
			return &RefusedError{s.name(), s.obstacles}
		}
		f, err := freeze(&k, []relative{{pid, s.stat.PPid}}, askTimeout)
		if err != nil {
			return explain(k.fs, pid, err)
		}
		m := &member{frozen: f.processes[0], s: s, c: &collector{
			o: Options{PID: pid, Timeout: askTimeout, Then: ThenRun}, kin: k, frozen: f, before: &prepared{noRoom: errOnlyAsked},
		}}
		m.c.members = []*member{m}
		if m.vmas, err = s.proc.Maps(); err == nil {
			err = m.state(nil)
		}
		address = m.p.Signals.Actions[sig].Handler
		if err == nil {
			err = refusal([]*subject{s}) // it waits in something that can not be known
		}
		return errors.Join(err, f.release())
	})
	return address, err
}
