package save

import (
	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/ptrace"
)

// interrupted reports whether a handler is about to run in the thread, for a
// signal that came while the process was frozen: then the EINTR that its call
// has got is the right one. claimed are signals that other threads take.
func (p *frozen) interrupted(ft *frozenThread, claimed uint64) bool {
	t := image.Thread{SigMask: ft.mask}
	var shared [][]byte
	var err error
	if t.Pending, err = pending(ft.Thread, false); err != nil {
		return false // it is gone
	}
	if shared, err = pending(ft.Thread, true); err != nil {
		return false
	}
	return nextHandler(&t, shared, claimed, p.actions) != ptrace.NoHandler
}

// pending lists queued signals as the manifest has them.
func pending(t *ptrace.Thread, shared bool) ([][]byte, error) {
	infos, err := t.Pending(shared)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, i := range infos {
		out = append(out, i[:])
	}
	return out, nil
}

// nextHandler says what handler will run as soon as the thread goes on. Of the
// signals to the whole process it takes those that are not claimed: the threads
// are let go in their order, so that earlier ones take what they do not block.
func nextHandler(t *image.Thread, shared [][]byte, claimed uint64, actions map[int]abi.SigAction) ptrace.Handler {
	for i, queue := range [][][]byte{t.Pending, shared} {
		blocked := t.SigMask
		if i > 0 {
			blocked |= claimed
		}
		for _, info := range queue {
			sig := int(info[0]) // si_signo, little endian, at most 64
			if sig < 1 || sig > abi.NSig || blocked&(1<<(sig-1)) != 0 {
				continue
			}
			a, set := actions[sig]
			if !set || a.Handler <= sigIgn {
				continue
			}
			if a.Flags&saRestart != 0 {
				return ptrace.RestartingHandler
			}
			return ptrace.InterruptHandler
		}
	}
	return ptrace.NoHandler
}

// From signal(7) and asm-generic/signal-defs.h.
const (
	sigIgn    = 1
	saRestart = 0x10000000
)
