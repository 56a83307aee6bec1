package save

import (
	"testing"

	"ckpt/internal/abi"
	"ckpt/internal/image"
	"ckpt/internal/ptrace"
)

// TestNextHandler: the first signal that has a handler and is not blocked
// decides; the thread's own come before those of the process.
func TestNextHandler(t *testing.T) {
	t.Parallel()
	const (
		plain   = 10 // a handler without flags
		restart = 12
		ignored = 17
	)
	actions := map[int]abi.SigAction{
		plain:   {Handler: 0x1000},
		restart: {Handler: 0x1000, Flags: saRestart | 4},
		ignored: {Handler: sigIgn, Flags: saRestart},
		18:      {Flags: 1}, // the default, with a flag
		64:      {Handler: 0x1000},
	}
	queue := func(signals ...byte) (out [][]byte) {
		for _, s := range signals {
			info := make([]byte, abi.SiginfoSize)
			info[0] = s
			out = append(out, info)
		}
		return out
	}
	for _, c := range []struct {
		name           string
		thread, shared [][]byte
		mask, claimed  uint64
		want           ptrace.Handler
	}{
		{name: "none", want: ptrace.NoHandler},
		{name: "plain", thread: queue(plain), want: ptrace.InterruptHandler},
		{name: "shared", shared: queue(restart), want: ptrace.RestartingHandler},
		{name: "own first", thread: queue(restart), shared: queue(plain), want: ptrace.RestartingHandler},
		{name: "blocked", thread: queue(plain), mask: 1 << (plain - 1), want: ptrace.NoHandler},
		{name: "first is blocked", thread: queue(plain, restart), mask: 1 << (plain - 1), want: ptrace.RestartingHandler},
		{name: "ignored", thread: queue(ignored), want: ptrace.NoHandler},
		{name: "default", thread: queue(18, 1), want: ptrace.NoHandler},
		{name: "last", thread: queue(64), want: ptrace.InterruptHandler},
		{name: "last blocked", thread: queue(64), mask: 1 << 63, want: ptrace.NoHandler},
		{name: "another thread's", shared: queue(plain), claimed: 1 << (plain - 1), want: ptrace.NoHandler},
		{name: "its own, not another thread's", thread: queue(plain), claimed: ^uint64(0), want: ptrace.InterruptHandler},
		{name: "no signal", thread: queue(0, 65, 255), want: ptrace.NoHandler},
	} {
		if got := nextHandler(&image.Thread{Pending: c.thread, SigMask: c.mask}, &image.Signals{Pending: c.shared, Actions: actions}, c.claimed); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
