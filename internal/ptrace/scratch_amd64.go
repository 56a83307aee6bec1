package ptrace

import (
	"errors"
	"fmt"
	"syscall"

	"ckpt/internal/abi"
)

// Where a mapping for injected calls is made, unless something is there: at an
// address that nobody else chooses, far from where programs, kernels and
// sanitizers put anything. So one that an engine has left that was killed is
// known for what it is. One half is for the layout of a thread that has no other
// place, one for those of threads that share it.
const (
	scratchAt   = 0x1c4b50540000
	scratchHalf = 128 << 10
	maxSlots    = 8 // more threads at a time make the waits hardly shorter
)

var scratchRange = Range{scratchAt, scratchAt + 2*scratchHalf}

var errTooLarge = errors.New("the extended state is too large for the scratch memory")

// IsScratch reports whether an anonymous private mapping is one that an engine
// made for injected calls and could not unmap, because it was killed. The next
// Injector that has Options.Stale set uses and unmaps it.
func IsScratch(start, end uint64) bool { return Range{start, end} == scratchRange }

// mapAnywhere makes the mapping by one injected call.
func (in *Injector) mapAnywhere() (Range, error) {
	if in.o.Stale {
		return scratchRange, nil
	}
	const size = 2 * scratchHalf
	at, err := in.mmap(scratchAt, size, abi.MapFixedNoReplace)
	if errors.Is(err, syscall.EEXIST) {
		at, err = in.mmap(0, size, 0)
	}
	return Range{at, at + size}, err
}

func (in *Injector) mmap(at, size, flags uint64) (uint64, error) {
	return in.Call(abi.SysMmap, at, size, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANONYMOUS|flags, ^uint64(0), 0)
}

// mapScratch makes a mapping for a thread that has no other place: by a bare
// call, because it has no frame yet.
func (in *Injector) mapScratch(xstate int) (err error) {
	if layoutBelow(1<<32, xstate, in.o.Gadgets).size() > scratchHalf {
		return errTooLarge
	}
	if err := in.block(); err != nil {
		return err
	}
	if in.mapped, err = in.mapAnywhere(); err != nil {
		in.mapped = Range{}
		return err
	}
	in.layout = layoutBelow(in.mapped.End, xstate, in.o.Gadgets)
	return nil
}

// Share gives memory in which other threads of the process can be injected into
// (Options.Shared) until this Injector is closed: as many at the same time as
// there are ranges.
func (in *Injector) Share() ([]Range, error) {
	if in.mapped.Start != 0 {
		return in.slots(in.mapped.Start), nil
	}
	if in.shared.Start == 0 {
		if in.layout.size() > scratchHalf {
			return nil, errTooLarge
		}
		r, err := in.mapAnywhere()
		if err != nil {
			return nil, fmt.Errorf("scratch memory for the threads of process %d: %w", in.t.tid, err)
		}
		in.shared = r
	}
	return in.slots(in.shared.Start), nil
}

// slots divides half of the mapping.
func (in *Injector) slots(at uint64) []Range {
	n := min(scratchHalf/(in.layout.size()+pageSize), maxSlots)
	size := scratchHalf / max(n, 1) &^ (pageSize - 1)
	var all []Range
	for end := at + scratchHalf; at+size <= end; at += size {
		all = append(all, Range{at, at + size})
	}
	return all
}

// unmapScratch undoes mapScratch and Share; the former bare again, because the
// frame goes with the mapping.
func (in *Injector) unmapScratch() error {
	r := in.shared
	if in.mapped.Start != 0 {
		r = in.mapped
		in.base.Rip, in.base.Rsp = in.o.Gadgets.Syscall, in.orig.Rsp
	}
	if r.Start == 0 {
		return nil
	}
	_, err := in.Call(abi.SysMunmap, r.Start, r.End-r.Start)
	return err
}
