package plan

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"ckpt/internal/abi"
)

// Builder collects the ops and the data of a plan. The first mistake is kept
// and reported by Build, so that calls need no error checks of their own:
//
//	b := plan.NewBuilder()
//	fd := b.Slot()
//	b.Call("open the terminal", abi.SysOpenat, atFDCWD, b.CString("/dev/tty"), flags).Store(fd)
//	b.Call("map [heap]", abi.SysMmap, addr, size, prot, mapFlags, noFD, plan.Imm(0)).Want(addr)
//	b.Call("name the heap", abi.SysPrctl, ...).MayFail()
//	b.Leave("continue", plan.Landing{PC: plan.Sigreturn(), SP: frame})
//	p, err := b.Build()
//
// A Builder writes the list of one walker; Spawn gives one for another.
type Builder struct {
	*shared
	ops   []Op
	inUse [NumSlots]bool
	about string
}

// shared is what the builders of all walkers of a plan have in common.
type shared struct {
	walkers []*Builder
	data    dataBuilder
	sleeps  []Sleep
	err     error
}

// NewBuilder begins an empty plan.
func NewBuilder() *Builder {
	b := &Builder{shared: &shared{}}
	b.walkers = []*Builder{b}
	return b
}

// Step is an op of an unfinished plan, to say more about it.
type Step struct {
	b *Builder
	i int
}

// Want makes the step fail unless its result is a. Without it, or MayFail, a
// step fails on every error.
func (s Step) Want(a Arg) Step {
	s.b.ops[s.i].Check, s.b.ops[s.i].Want = Equals, a
	return s
}

// Until repeats the step, a system call, until its result is a. Nothing else
// ends it.
func (s Step) Until(a Arg) Step {
	s.b.ops[s.i].Check, s.b.ops[s.i].Want = Until, a
	return s
}

// MayFail accepts every result of the step.
func (s Step) MayFail() Step {
	s.b.ops[s.i].Check, s.b.ops[s.i].Want = Whatever, Arg{}
	return s
}

// Store keeps the result of the step in slot to.
func (s Step) Store(to Slot) Step {
	s.b.ops[s.i].Store = to
	return s
}

// Call adds a system call. Arguments that are left out are 0. What says what
// the step does, as the beginning of an error message: "open /etc/motd".
func (b *Builder) Call(what string, nr uint32, args ...Arg) Step {
	op := Op{Code: Syscall, Nr: nr, What: what}
	if copy(op.Args[:], args) < len(args) {
		b.fail(fmt.Errorf("plan: %s: %d arguments, a system call has at most 6", what, len(args)))
	}
	return b.add(op)
}

// Copy adds a step that copies n bytes of memory from src to dst. They must
// not overlap, and a bad address kills the process.
func (b *Builder) Copy(what string, dst, src, n Arg) Step {
	return b.add(Op{Code: Copy, Args: [6]Arg{dst, src, n}, What: what})
}

// Poke32If adds a step that replaces the 32-bit word at addr by replacement if
// it equals old. Its result is 1 if it did, else 0; a bad address kills the
// process.
func (b *Builder) Poke32If(what string, addr, old, replacement Arg) Step {
	return b.add(Op{Code: Poke32If, Args: [6]Arg{addr, old, replacement}, What: what})
}

// Spawn adds a system call that starts another walker, see the code Spawn, and
// returns the builder of its list. What is in a slot now is there for the new
// walker, too.
func (b *Builder) Spawn(what string, nr uint32, args ...Arg) (*Builder, Step) {
	s := b.Call(what, nr, args...)
	op := &b.ops[s.i]
	op.Code, op.Walker = Spawn, len(b.walkers)
	child := &Builder{shared: b.shared, inUse: b.inUse, about: b.about}
	b.walkers = append(b.walkers, child)
	return child, s
}

// About begins the texts of all steps from here on, in this list and in those
// that it starts, with a word on whom they are about.
func (b *Builder) About(whom string) { b.about = whom }

// Await adds a step that waits until the 32-bit word at addr is want.
func (b *Builder) Await(what string, addr, want Arg) Step {
	return b.add(Op{Code: Await, Args: [6]Arg{addr, want}, What: what})
}

// Add adds a step that adds n to the 32-bit word at addr and wakes all that
// wait for it. Its result is the new value.
func (b *Builder) Add(what string, addr, n Arg) Step {
	return b.add(Op{Code: Add, Args: [6]Arg{addr, n}, What: what})
}

// Landing is where a plan leaves to.
type Landing struct {
	PC Arg // first instruction
	SP Arg // stack pointer
	DI Arg // rdi
	SI Arg // rsi

	// Keep, if not 0, is the offset in the plan's block at which the block is
	// cut off: everything from there on is unmapped. It must be a multiple of
	// the page size; the code always stays.
	Keep uint64
}

// Leave ends the plan.
func (b *Builder) Leave(what string, l Landing) {
	op := Op{Code: Leave, Args: [6]Arg{l.PC, l.SP, l.DI, l.SI}, What: what}
	if l.Keep != 0 {
		if l.Keep%pageSize != 0 || l.Keep < headerOff {
			b.fail(fmt.Errorf("plan: %s: cannot cut off the block at %#x", what, l.Keep))
		}
		op.Args[4] = Arg{Base, l.Keep}
		op.Args[5] = Arg{Size, -l.Keep}
	}
	b.add(op)
}

// Depart ends the list of a walker that is not the last to leave; the word at
// count counts those that did. It and the stack, if it is in the block, must be
// in what the last one keeps; l.Keep is not looked at.
func (b *Builder) Depart(what string, l Landing, count Arg) {
	b.add(Op{Code: Depart, Args: [6]Arg{l.PC, l.SP, l.DI, l.SI, count}, What: what})
}

// SleepOn puts the rest of a sleep into the plan. r are registers that are about
// to make a call that has a remainder (abi.Regs.Sleep); it returns those with
// which the thread sleeps for the remainder and goes on with r. The block must
// be parked at park, and keep the data as it is now. If there are more sleeps
// than there is room for, a register is changed that calls leave alone. awake is
// the address of a word, if one is needed, that must be set to 0 in the process
// of the thread: it is NobodySleeps in the others, which have the block as well.
func (b *Builder) SleepOn(r abi.Regs, park uint64) (regs abi.Regs, awake Arg) {
	request, remainder := r.Sleep()
	if *request == remainder {
		return r, Arg{} // one timespec for both: it has the rest already
	}
	s := Sleep{Call: uint32(r.Rax), Request: *request, Return: r.Rip + syscallSize}
	*request = remainder
	if len(b.sleeps) < maxSleeps {
		awake = b.AlignedData([]byte{NobodySleeps, 0, 0, 0, 0, 0, 0, 0}, 8)
		s.Awake = awake.Imm
		r.Rip = park + sleepOff + uint64(len(b.sleeps))*sleepStride
		b.sleeps = append(b.sleeps, s)
	}
	return r, awake
}

// Slot allocates a slot for results.
func (b *Builder) Slot() Slot {
	for s := FirstFree; s < NumSlots; s++ {
		if !b.inUse[s] {
			b.inUse[s] = true
			return s
		}
	}
	b.fail(errors.New("plan: all slots are in use"))
	return FirstFree
}

// Free gives a slot back.
func (b *Builder) Free(s Slot) {
	if s < FirstFree || s >= NumSlots || !b.inUse[s] {
		b.fail(fmt.Errorf("plan: slot %d is freed but not in use", s))
		return
	}
	b.inUse[s] = false
}

// Build ends the building and checks the plan: the lists of all walkers.
func (b *Builder) Build() (*Plan, error) {
	if b.err != nil {
		return nil, b.err
	}
	p := &Plan{Data: b.data.bytes, Sleeps: b.sleeps}
	for i, w := range b.walkers {
		if i > 0 {
			p.Others = append(p.Others, len(p.Ops))
		}
		p.Ops = append(p.Ops, w.ops...)
		p.Names = append(p.Names, w.about)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

func (b *Builder) add(op Op) Step {
	if op.What != "" {
		op.What = shorten(b.about + op.What)
	}
	b.ops = append(b.ops, op)
	return Step{b, len(b.ops) - 1}
}

func (b *Builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// shorten cuts a text at MaxWhat, not within a character.
func shorten(s string) string {
	if len(s) <= MaxWhat {
		return s
	}
	const dots = "..."
	n := MaxWhat - len(dots)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + dots
}
