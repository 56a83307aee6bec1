package plan

import (
	"encoding/binary"
	"fmt"
	"io"

	"ckpt/internal/abi"
)

// Memory is the memory of the process that a plan runs in; offsets are
// addresses. /proc/self/mem is one.
type Memory interface {
	io.ReaderAt
	io.WriterAt
}

// Machine is what Run executes a plan on.
type Machine struct {
	// Slots are the plan's registers. The caller sets Base, the address of a
	// block with the plan's data at Base+DataOffset, and VDSO.
	Slots [NumSlots]uint64
	// Memory is what Copy and Poke32If work on.
	Memory Memory
	// Call makes a system call; a result from -4095 to -1 is a negated errno.
	Call func(nr uint32, args [6]uint64) uint64
	// Spawn starts another walker, as the system call nr would, by calling walk,
	// and returns its id. It is needed only for plans with several walkers.
	Spawn func(nr uint32, args [6]uint64, walk func()) uint64

	all *walkers
}

// StepError is a step whose result the plan does not accept.
type StepError struct {
	Op     int // index
	Code   Code
	What   string
	Result uint64
}

// Error is what the interpreter writes, without the leading "ckpt: ".
func (e *StepError) Error() string { return e.What + ": " + describe(e.Code, e.Result) }

// Run executes a plan on m, step by step as the interpreter does. It returns a
// *StepError where the interpreter would exit with ExitStatus, and nil where
// it would leave, once all walkers that were started have come to their ends. A
// Call that is asked to exit the process must not come back; one that is to
// exit the thread is not made.
func Run(p *Plan, m *Machine) error {
	if err := p.Validate(); err != nil {
		return err
	}
	m.Slots[Zero], m.Slots[Size] = 0, p.Size()
	m.all = &walkers{plan: p}
	m.walk(0)
	return m.all.end()
}

// walk executes the ops of one walker, until one fails, be it another walker's.
func (m *Machine) walk(walker int) {
	p := m.all.plan
	from, to := p.list(walker)
	for i := from; i < to; i++ {
		op := &p.Ops[i]
		result, err := m.step(op)
		if err != nil {
			err = fmt.Errorf("%s: %w", op.What, err)
		} else if !m.accepts(op, result) {
			err = &StepError{i, op.Code, op.What, result}
		}
		if m.all.failed(err) {
			return
		}
		if op.Store != Zero {
			m.Slots[op.Store] = result
		}
	}
}

// step executes op. The errors are those of Memory: where the interpreter
// would be killed.
func (m *Machine) step(op *Op) (uint64, error) {
	var args [6]uint64
	for i, a := range op.Args {
		args[i] = m.value(a)
	}
	switch op.Code {
	case Copy:
		return 0, m.copy(args[0], args[1], args[2])
	case Poke32If:
		return m.poke32If(args[0], uint32(args[1]), uint32(args[2]))
	case Leave:
		if args[5] == 0 {
			return 0, nil
		}
		return m.Call(abi.SysMunmap, [6]uint64{args[4], args[5]}), nil
	case Depart:
		_, err := m.add32(args[4], 1)
		return 0, err
	case Await:
		return 0, m.await(args[0], uint32(args[1]))
	case Add:
		return m.add32(args[0], uint32(args[1]))
	case Sums:
		return m.sums(args[0], args[1], args[2])
	case Spawn:
		return m.spawn(op, args)
	}
	if op.Nr == abi.SysExit {
		return 0, nil
	}
	result := m.Call(op.Nr, args)
	for op.Check == Until && result != m.value(op.Want) && !m.all.failed(nil) {
		result = m.Call(op.Nr, args)
	}
	return result, nil
}

func (m *Machine) value(a Arg) uint64 { return m.Slots[a.Slot] + a.Imm }

func (m *Machine) accepts(op *Op, result uint64) bool {
	switch op.Check {
	case Whatever:
		return true
	case Equals, Until:
		return result == m.value(op.Want)
	default:
		return !isError(result)
	}
}

func (m *Machine) copy(dst, src, n uint64) error {
	if n == 0 {
		return nil
	}
	_, err := io.Copy(io.NewOffsetWriter(m.Memory, int64(dst)), io.NewSectionReader(m.Memory, int64(src), int64(n)))
	return err
}

func (m *Machine) poke32If(addr uint64, old, replacement uint32) (uint64, error) {
	m.all.mu.Lock()
	defer m.all.mu.Unlock()
	var word [4]byte
	if _, err := m.Memory.ReadAt(word[:], int64(addr)); err != nil {
		return 0, err
	}
	if binary.LittleEndian.Uint32(word[:]) != old {
		return 0, nil
	}
	binary.LittleEndian.PutUint32(word[:], replacement)
	if _, err := m.Memory.WriteAt(word[:], int64(addr)); err != nil {
		return 0, err
	}
	return 1, nil
}
