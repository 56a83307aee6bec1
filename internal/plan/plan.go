package plan

import (
	"errors"
	"fmt"

	"ckpt/internal/abi"
)

// Plan is a list of ops for each walker and the data that they refer to.
type Plan struct {
	// Ops are those of the first walker, then those of the second and so on.
	Ops []Op
	// Others tells for each walker but the first where in Ops its list begins.
	Others []int
	// Names are those of the walkers for a listing: how the texts of all that
	// one does begin. They are no part of the block.
	Names []string
	Data  []byte // at Base + DataOffset
	// Sleeps are the rests of sleeps that landings may begin with.
	Sleeps []Sleep
}

// Validate reports what would make the interpreter misbehave: a slot that does
// not exist, a result stored into a slot of fixed meaning, an end that is not
// one. It can not know whether the calls make sense.
func (p *Plan) Validate() error {
	if len(p.Ops) == 0 {
		return errors.New("plan: no ops")
	}
	if len(p.Sleeps) > maxSleeps {
		return fmt.Errorf("plan: %d sleeps, the limit is %d", len(p.Sleeps), maxSleeps)
	}
	for i := range p.Sleeps {
		if err := p.Sleeps[i].validate(); err != nil {
			return fmt.Errorf("plan: %w", err)
		}
	}
	if len(p.Others) > maxWalkers {
		return fmt.Errorf("plan: %d walkers, the limit is %d", len(p.Others)+1, maxWalkers+1)
	}
	spawned := make([]bool, len(p.Others)+1)
	for walker := range spawned {
		if err := p.validateList(walker, spawned); err != nil {
			return fmt.Errorf("plan: %w", err)
		}
	}
	return nil
}

// list gives the bounds in Ops of the ops of a walker.
func (p *Plan) list(walker int) (from, to int) {
	to = len(p.Ops)
	if walker < len(p.Others) {
		to = p.Others[walker]
	}
	if walker > 0 {
		from = p.Others[walker-1]
	}
	return from, to
}

// validateList checks the ops of one walker, and notes which others they start.
// Each must be started once, by one in front of it.
func (p *Plan) validateList(walker int, spawned []bool) error {
	from, to := p.list(walker)
	if from < 0 || to > len(p.Ops) || from >= to {
		return fmt.Errorf("walker %d has no ops", walker)
	}
	if walker > 0 && !spawned[walker] {
		return fmt.Errorf("nobody starts walker %d", walker)
	}
	last := to - 1
	for i := from; i < to; i++ {
		op := &p.Ops[i]
		if err := op.validate(); err != nil {
			return fmt.Errorf("op %d (%s): %w", i, op.What, err)
		}
		if op.leaves() && i != last {
			return fmt.Errorf("op %d (%s): leaves before the last op", i, op.What)
		}
		if op.Code != Spawn {
			continue
		}
		if op.Walker <= walker || op.Walker >= len(spawned) || spawned[op.Walker] {
			return fmt.Errorf("op %d (%s): can not start walker %d", i, op.What, op.Walker)
		}
		spawned[op.Walker] = true
	}
	if !p.Ops[last].ends() {
		return fmt.Errorf("the last op (%s) neither leaves nor exits", p.Ops[last].What)
	}
	return nil
}

// kept is how much of the block stays mapped, 0 if all does. Of the walkers of
// one process only the last to leave cuts it off.
func (p *Plan) kept() uint64 {
	for i := range p.Ops {
		if op := &p.Ops[i]; op.Code == Leave && op.Args[4].Slot == Base {
			return op.Args[4].Imm
		}
	}
	return 0
}

// leaves reports whether the op goes to the program.
func (op *Op) leaves() bool { return op.Code == Leave || op.Code == Depart }

// ends reports whether nothing can come after the op.
func (op *Op) ends() bool {
	return op.leaves() || op.Code == Syscall && (op.Nr == abi.SysExitGroup || op.Nr == abi.SysExit)
}

// wants reports whether the op's result is compared with Want.
func (op *Op) wants() bool { return op.Check == Equals || op.Check == Until }

func (op *Op) validate() error {
	if op.Code > Sums {
		return fmt.Errorf("no such code: %d", op.Code)
	}
	if op.Check > Until {
		return fmt.Errorf("no such check: %d", op.Check)
	}
	if op.Check == Until && op.Code != Syscall {
		return errors.New("only a system call can be repeated")
	}
	if op.Code != Syscall && op.Code != Spawn && op.Nr != 0 {
		return fmt.Errorf("system call %d in an op that makes none", op.Nr)
	}
	if op.Code != Spawn && op.Walker != 0 {
		return fmt.Errorf("walker %d in an op that starts none", op.Walker)
	}
	if op.Code == Sums && (op.Check != Equals || op.Want != Arg{}) {
		return errors.New("computes checksums and does not check them")
	}
	if op.leaves() && (op.Check != Succeeds || op.Store != Zero) {
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
	if !op.wants() && op.Want != (Arg{}) {
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
