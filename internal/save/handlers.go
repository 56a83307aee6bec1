package save

import (
	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/ptrace"
)

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
func nextHandler(t *image.Thread, all *image.Signals, claimed uint64) ptrace.Handler {
	for i, queue := range [][][]byte{t.Pending, all.Pending} {
		blocked := t.SigMask
		if i > 0 {
			blocked |= claimed
		}
		for _, info := range queue {
			sig := int(info[0]) // si_signo, little endian, at most 64
			if sig < 1 || sig > abi.NSig || blocked&(1<<(sig-1)) != 0 {
				continue
			}
			a, set := all.Actions[sig]
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
