package ptrace

import (
	"fmt"
	"syscall"
)

// Shadow makes a twin that has the memory of the process itself and not a copy: it
// costs the same for any size, and shows what the process writes. Nothing may be
// written for it there, not even a stack: it executes one call at a time, by an
// instruction of the program's code, and has no scratch memory. The process can run,
// execute another program and end meanwhile; memory that it gives up last is given
// back when the shadow is killed.
//
// As long as it lives, the process can not enter another user namespace
// (unshare(2), setns(2)): for that the kernel wants a process to have its memory
// alone.
//
// The preconditions are those of Twin.
func (in *Injector) Shadow() (*Twin, error) {
	w, err := in.copy(twinFlags | syscall.CLONE_VM)
	if err != nil {
		return nil, err
	}
	w.mem, w.shares = struct{ Memory }{in.o.Mem}, true // which is not closed with it
	calls := detaching()
	if err = w.oneByOne(calls); err == nil {
		err = detached(calls)
	}
	if err != nil {
		w.Kill()
		return nil, fmt.Errorf("helper of process %d: %w", in.t.tid, err)
	}
	return w, nil
}
