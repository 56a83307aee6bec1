package ptrace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"

	"ckpt/internal/abi"
	"ckpt/internal/sys"
)

// SystemCall is one call of a batch. Result is what the kernel returned; errors
// are negative.
type SystemCall struct {
	Nr     uint64
	Args   [6]uint64
	Result int64
}

// A call in the twin's memory, as batch reads it.
const (
	callSize = 64 // Nr, Args, Result
	batchMax = 128
)

// Batch executes calls one after the other and fills in their results, however
// they come out. It costs two switches of processes for all of them together,
// where the twin's memory can be executed.
func (w *Twin) Batch(calls []SystemCall) error {
	for len(calls) > batchMax {
		if err := w.Batch(calls[:batchMax]); err != nil {
			return err
		}
		calls = calls[batchMax:]
	}
	if w.code == 0 {
		return w.oneByOne(calls)
	}
	b := make([]byte, 0, len(calls)*callSize)
	for i := range calls {
		b = binary.LittleEndian.AppendUint64(b, calls[i].Nr)
		for _, a := range calls[i].Args {
			b = binary.LittleEndian.AppendUint64(b, a)
		}
		b = binary.LittleEndian.AppendUint64(b, 0)
	}
	if _, err := w.mem.WriteAt(b, int64(w.scratch)); err != nil {
		return fmt.Errorf("memory of the copy: %w", err)
	}
	r := w.base
	r.Rip, r.R12, r.R13 = w.code, w.scratch, uint64(len(calls))
	if err := w.run(r); err != nil {
		return err
	}
	if _, err := w.mem.ReadAt(b, int64(w.scratch)); err != nil {
		return fmt.Errorf("memory of the copy: %w", err)
	}
	for i := range calls {
		calls[i].Result = int64(binary.LittleEndian.Uint64(b[i*callSize+callSize-8:]))
	}
	return nil
}

// run lets the twin run up to the breakpoint that ends batch.
func (w *Twin) run(r abi.Regs) error {
	if err := w.t.SetRegs(r); err != nil {
		return err
	}
	deadline := time.Now().Add(w.timeout)
	for sig := syscall.Signal(0); ; {
		if err := w.t.resume(sys.PtraceCont, sig); err != nil {
			return err
		}
		s, err := w.t.wait(deadline)
		if err != nil {
			return err
		}
		switch sig = 0; {
		case s.kind == stopSignal && s.signal == syscall.SIGTRAP:
			return nil
		case s.kind == stopSignal && s.signal == syscall.SIGSTOP:
			sig = s.signal
		case s.kind == stopSignal:
			return fmt.Errorf("signal %d (%v) in the copy of the process", int(s.signal), s.signal)
		}
	}
}

func (w *Twin) oneByOne(calls []SystemCall) error {
	for i := range calls {
		c := &calls[i]
		v, err := w.Call(c.Nr, c.Args[:]...)
		var errno syscall.Errno
		switch {
		case errors.As(err, &errno):
			c.Result = -int64(errno)
		case err != nil:
			return err
		default:
			c.Result = int64(v)
		}
	}
	return nil
}
