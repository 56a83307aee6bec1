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
func decodeActions(b []byte) map[int]abi.SigAction {
	actions := map[int]abi.SigAction{}
	for sig := 1; sig <= abi.NSig; sig++ {
		w := b[(sig-1)*abi.SigActionSize:]
		word := func(i int) uint64 { return binary.LittleEndian.Uint64(w[8*i:]) }
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
	m.p.Signals.Actions = decodeActions(b)
	return m.forkAnswers(attributes)
}

// askItself asks the process itself for the same, one call after the other.
func (m *member) askItself(r *remote) {
	for _, c := range actionCalls(r.scratch) {
		r.call("signal actions", c.Nr, c.Args[:]...)
	}
	b := make([]byte, actionsSize)
	if r.err == nil {
		r.err = r.in.ReadScratch(0, b)
	}
	if r.err != nil {
		return
	}
	m.p.Signals.Actions = decodeActions(b)
	attributes := forkCalls(r.scratch)
	for i := range attributes {
		c := &attributes[i]
		v, err := r.in.Call(c.Nr, c.Args[:]...)
		var failed syscall.Errno
		switch c.Result = int64(v); {
		case errors.As(err, &failed):
			c.Result = -int64(failed)
		case err != nil:
			r.err = err
			return
		}
	}
	r.err = m.forkAnswers(attributes[:])
}
