package plan

import (
	"errors"
	"fmt"

	"ckpt/internal/abi"
)

// Plan is a list of ops and the data that they refer to.
type Plan struct {
	Ops  []Op
	Data []byte // at Base + DataOffset
	// Sleep, if not nil, is the rest of a sleep that the landing may begin with.
	Sleep *Sleep
}

// Validate reports what would make the interpreter misbehave: a slot that does
// not exist, a result stored into a slot of fixed meaning, an end that is not
// one. It can not know whether the calls make sense.
func (p *Plan) Validate() error {
	if len(p.Ops) == 0 {
		return errors.New("plan: no ops")
	}
	if p.Sleep != nil {
		if err := p.Sleep.validate(); err != nil {
			return fmt.Errorf("plan: %w", err)
		}
	}
	last := len(p.Ops) - 1
	for i := range p.Ops {
		op := &p.Ops[i]
		if err := op.validate(); err != nil {
			return fmt.Errorf("plan: op %d (%s): %w", i, op.What, err)
		}
		if op.Code == Leave && i != last {
			return fmt.Errorf("plan: op %d (%s): leaves before the last op", i, op.What)
		}
	}
	if !p.Ops[last].ends() {
		return fmt.Errorf("plan: the last op (%s) neither leaves nor exits", p.Ops[last].What)
	}
	return nil
}

// ends reports whether nothing can come after the op.
func (op *Op) ends() bool {
	return op.Code == Leave || op.Code == Syscall && op.Nr == abi.SysExitGroup
}

func (op *Op) validate() error {
	if op.Code > Leave {
		return fmt.Errorf("no such code: %d", op.Code)
	}
	if op.Check > Whatever {
		return fmt.Errorf("no such check: %d", op.Check)
	}
	if op.Code != Syscall && op.Nr != 0 {
		return fmt.Errorf("system call %d in an op that makes none", op.Nr)
	}
	if op.Code == Leave && (op.Check != Succeeds || op.Store != Zero) {
		return errors.New("leaves, so it has no result")
	}
	if op.What == "" {
		return errors.New("does not say what it does")
	}
	if len(op.What) > MaxWhat {
		return fmt.Errorf("text of %d bytes, the limit is %d", len(op.What), MaxWhat)
	}
	for _, a := range op.Args {
		if a.Slot >= NumSlots {
			return fmt.Errorf("no such slot: %d", a.Slot)
		}
	}
	if op.Want.Slot >= NumSlots || op.Store >= NumSlots {
		return errors.New("no such slot")
	}
	if op.Check != Equals && op.Want != (Arg{}) {
		return errors.New("expects a value that it does not check")
	}
	if op.Store != Zero && op.Store < FirstFree {
		return fmt.Errorf("stores into slot %d, whose meaning is fixed", op.Store)
	}
	return nil
}

// Size is the size of the plan's block in bytes, a multiple of the page size:
// the room that it needs where it is parked.
func (p *Plan) Size() uint64 { return p.layout().size }
