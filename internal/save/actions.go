package save

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"ckpt/internal/abi"
	"ckpt/internal/ptrace"
)

// actionsSize is the size in bytes of the actions of all signals.
const actionsSize = abi.NSig * abi.SigActionSize

// actionCalls lists the calls that fetch the action of every signal to at.
func actionCalls(at uint64) []ptrace.SystemCall {
	var calls []ptrace.SystemCall
	for sig := uint64(1); sig <= abi.NSig; sig++ {
		if hasAction(int(sig)) {
			to := at + (sig-1)*abi.SigActionSize
			calls = append(calls, ptrace.SystemCall{Nr: abi.SysRtSigaction, Args: [6]uint64{sig, 0, to, 8}})
		}
	}
	return calls
}

func hasAction(sig int) bool {
	const sigKill, sigStop = 9, 19
	return sig != sigKill && sig != sigStop
}

// decodeActions reads what actionCalls fetched. Actions that are the default in
// every respect are left out; a default handler can come with flags
// (SA_NOCLDWAIT) and a mask that the program can ask for.
func decodeActions(w []uint64) map[int]abi.SigAction {
	const words = abi.SigActionSize / 8
	actions := map[int]abi.SigAction{}
	for sig := 1; sig <= abi.NSig; sig++ {
		word := func(i int) uint64 { return w[(sig-1)*words+i] }
		a := abi.SigAction{Handler: word(0), Flags: word(1), Restorer: word(2), Mask: word(3)}
		if hasAction(sig) && a != (abi.SigAction{}) {
			actions[sig] = a
		}
	}
	return actions
}

// forkQueries are all that a fork can tell of the process: its signal actions,
// fetched to at, and forkCalls.
func forkQueries(at uint64) []ptrace.SystemCall {
	calls := forkCalls(at + actionsSize)
	return append(actionCalls(at), calls[:]...)
}

// askTwin takes what a twin was asked for of the process, which it has as well.
func (m *member) askTwin(calls []ptrace.SystemCall) (err error) {
	actions, attributes := calls[:len(calls)-asksOfForks], calls[len(calls)-asksOfForks:]
	for _, c := range actions {
		if c.Result != 0 {
			return fmt.Errorf("ask the copy of the process for its signal actions: signal %d: %w", c.Args[0], syscall.Errno(-c.Result))
		}
	}
	b := make([]byte, actionsSize)
	at, _ := m.twin.Scratch()
	if _, err := m.twin.Memory().ReadAt(b, int64(at)); err != nil {
		return fmt.Errorf("ask the copy of the process for its signal actions: %w", err)
	}
	w := make([]uint64, len(b)/8)
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	m.p.Signals.Actions = decodeActions(w)
	return m.forkAnswers(attributes)
}

// itself asks the process itself for the same.
func (q *questions) itself(m *member) {
	const results = actionsSize / 8 // where those of forkCalls are, in words
	var attributes [asksOfForks]ptrace.SystemCall
	at := q.room(results+asksOfForks+1, func(w []uint64) error {
		m.p.Signals.Actions = decodeActions(w[:results])
		for sig, a := range m.p.Signals.Actions {
			if a.Mask == unanswered && a.Restorer == unanswered {
				return fmt.Errorf("ask the process for its signal actions: signal %d: no answer", sig)
			}
		}
		for i := range attributes {
			attributes[i].Result = int64(w[results+i])
		}
		thp, err := q.in.Call(attributes[askTHP].Nr, attributes[askTHP].Args[:]...)
		var failed syscall.Errno
		if attributes[askTHP].Result = int64(thp); errors.As(err, &failed) {
			attributes[askTHP].Result = -int64(failed)
		} else if err != nil {
			return err
		}
		return m.forkAnswers(attributes[:])
	})
	add := func(c ptrace.SystemCall, to uint64) {
		q.queries = append(q.queries, ptrace.Query{Nr: c.Nr, Args: [3]uint64(c.Args[:3]), To: to})
	}
	for _, c := range actionCalls(at) {
		add(c, 0)
	}
	attributes = forkCalls(at + 8*(results+asksOfForks))
	for i, c := range attributes {
		if i != askTHP { // whose other arguments have to be zero
			add(c, at+8*uint64(results+i))
		}
	}
}
