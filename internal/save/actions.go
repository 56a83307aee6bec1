package save

import (
	"encoding/binary"
	"fmt"

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

// twinActions asks a twin for the actions of the process's signals, which it
// has as well.
func twinActions(twin *ptrace.Twin) (map[int]abi.SigAction, error) {
	at, _ := twin.Scratch()
	calls := actionCalls(at)
	if err := twin.Batch(calls); err != nil {
		return nil, fmt.Errorf("ask the copy of the process for its signal actions: %w", err)
	}
	for _, c := range calls {
		if c.Result != 0 {
			return nil, fmt.Errorf("ask the copy of the process for its signal actions: signal %d: error %d", c.Args[0], -c.Result)
		}
	}
	b := make([]byte, actionsSize)
	if _, err := twin.Memory().ReadAt(b, int64(at)); err != nil {
		return nil, fmt.Errorf("ask the copy of the process for its signal actions: %w", err)
	}
	return decodeActions(b), nil
}

// signalActions is twinActions for a process that has no twin.
func (r *remote) signalActions() map[int]abi.SigAction {
	for _, c := range actionCalls(r.scratch) {
		r.call("signal actions", c.Nr, c.Args[:]...)
	}
	b := make([]byte, actionsSize)
	if r.err == nil {
		r.err = r.in.ReadScratch(0, b)
	}
	if r.err != nil {
		return nil
	}
	return decodeActions(b)
}
