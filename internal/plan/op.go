// Package plan holds restore plans: the list of system calls that turns a
// fresh process into a saved one.
//
// A plan is built in Go by package restore, encoded into a flat block of
// bytes, and executed by the interpreter: a few hundred lines of position
// independent assembly (interp_amd64.s) that know nothing of checkpoints. For
// each op the interpreter computes the arguments, makes the call, compares the
// result with what the plan expects, stores it where the plan says, and stops
// with the plan's own words when they differ. Run executes the same plan in
// Go, for tests, and Format prints it like strace.
//
// An argument is always slot + immediate. Slots are registers of the plan:
// slot 0 is constantly zero, so that an immediate is just itself; Base is the
// address of the plan's own block, so that the plan's data can be named before
// anyone knows where it will be; the others hold results of earlier ops.
//
// A plan is walked by one thread, or by several at once. Each walker has its own
// list of ops and its own slots. The first one is the thread that made the
// execve; the others are started by ops (Spawn), in the same address space as
// threads or as a process that shares or copies it, and wait for each other by
// words in memory (Add and Await). Whoever fails says why and ends them all.
package plan

// Slot is a register of the plan.
type Slot uint8

// The slots whose meaning is fixed. Results of ops go to FirstFree and up.
const (
	Zero      Slot = 0 // always 0
	Base      Slot = 1 // address of the plan's block
	VDSO      Slot = 2 // AT_SYSINFO_EHDR of the fresh process, 0 if it has none
	Size      Slot = 3 // size of the plan's block in bytes, whole pages
	FirstFree Slot = 4
	NumSlots       = 64
)

// Arg is an argument of an op: the slot's value plus Imm.
type Arg struct {
	Slot Slot
	Imm  uint64
}

// Imm is a constant argument.
func Imm(v uint64) Arg { return Arg{Imm: v} }

// Int is a constant argument that may be negative, as descriptors are
// (AT_FDCWD).
func Int(v int) Arg { return Arg{Imm: uint64(v)} }

// Code says what an op does.
type Code uint8

const (
	// Syscall makes the system call Nr with Args.
	Syscall Code = iota
	// Copy copies Args[2] bytes from Args[1] to Args[0]. The result is 0.
	Copy
	// Poke32If stores the low 32 bits of Args[2] at Args[0] if the 32-bit word
	// there equals Args[1]. The result is 1 if it did, else 0.
	Poke32If
	// Leave ends the plan: it jumps to Args[0] with the stack pointer at
	// Args[1], rdi = Args[2] and rsi = Args[3]. There is no way back. Before
	// that, if Args[5] is not 0, it unmaps Args[5] bytes at Args[4]: the ops
	// themselves, which no later op could unmap.
	Leave
	// Depart is Leave for all but the last to leave the block: it unmaps
	// nothing, but adds 1 to the 32-bit word at Args[4], which must be in the
	// part of the block that stays, and wakes who waits for it. From that moment
	// on the walker needs nothing of the block but that part.
	Depart
	// Spawn makes the system call Nr with Args, a clone(2) or clone3(2) that
	// needs no stack of its own. The child walks the list of Walker, beginning
	// with a copy of its parent's slots; the parent goes on with the child's id
	// as the result. An id that is taken (EEXIST) is asked for again for some
	// seconds: a thread that was killed gives its own back some time after its
	// process was waited for (kernel/exit.c, release_task).
	Spawn
	// Await waits until the 32-bit word at Args[0] has the value Args[1]. The
	// result is 0. Shared futexes are used, so that processes can wait as well.
	Await
	// Add adds Args[1] to the 32-bit word at Args[0] at once, and wakes all that
	// wait for it. The result is the new value.
	Add
	// Sums compares checksums of memory with those in the table from Args[0] to
	// Args[1], see Checksum; addresses in it are relative to Args[2]. The result is
	// 0, which it is always checked for, or the Name of the first that differs.
	Sums
)

// How often an id is asked for, and how long it takes until the next time, in
// milliseconds.
const (
	spawnTries = 5000
	spawnPause = 1
)

// Check says which results let the plan go on.
type Check uint8

const (
	// Succeeds accepts everything but an error (-4095..-1).
	Succeeds Check = iota
	// Equals accepts only Want.
	Equals
	// Whatever accepts every result; used where a failure is tolerable.
	Whatever
	// Until accepts only Want, too, but repeats a call until it gives that.
	Until
)

// Op is one step of a plan.
type Op struct {
	Code  Code
	Nr    uint32 // system call number
	Args  [6]Arg
	Check Check
	Want  Arg    // for Equals and Until
	Store Slot   // where the result goes; Zero: nowhere
	What  string // the step in a user's words: "map [heap] 0x1000-0x2000"

	Walker int // for Spawn: whose list the child walks
}
