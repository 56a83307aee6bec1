package emit

//lint:file-ignore U1000 agent_amd64.s uses what Go does not

// Addresses of the parts of libckpt.so, relative to its load address:
//
//	0x0000  ELF header, program headers, dynamic symbols, hash   RX
//	0x1000  agentConst, then the embedded engine's path          RX
//	0x3000  the block of agent_amd64.s                           RX
//	0x4000  .dynamic                                             RW
//	0x4100  agentData                                            RW
//
// These are two mappings, side by side and all of them in the file: each more, such as
// a segment for constants alone, a gap, or a .bss, makes every fork of the program
// slower by a hundredth.
//
// The block has no relocations: it reaches agentConst and agentData at their
// fixed distance from its first instruction, agentInit. go_asm.h hands the
// distances and the field offsets to the assembler.
const (
	agentConstAddr = 0x1000
	agentTextAddr  = 0x3000
	agentDynAddr   = 0x4000
	agentDataAddr  = 0x4100

	agentConstDist  = agentConstAddr - agentTextAddr
	agentEngineDist = agentConstDist + agentConstSize
	agentDataDist   = agentDataAddr - agentTextAddr
)

// agentDefaultSignal is SIGUSR2, on which a checkpoint is asked for where
// CKPT_SIGNAL says nothing else.
const agentDefaultSignal = 12

// agentPathMax is PATH_MAX of limits.h: a path with its NUL.
const agentPathMax = 4096

// agentConst is what the block reads and never writes. Its fields leave no
// padding: it is written with encoding/binary and read with C layout.
type agentConst struct {
	Usable      uint64     // bit n-1 is set where signal n may be chosen
	Names       [32]uint64 // [n] names signal n, big endian; [0] is NONE
	Exact       [agentExactRows]agentExact
	MapsPath    [16]byte
	EnvironPath [24]byte
	Argv0       [8]byte
	Argv1       [16]byte
	Ours        [8]byte // what the variables begin with that are handed on
	SignalVar   [8]byte // what follows in the one that chooses the signal
	Up          [16]byte
	BadSignal1  [24]byte
	BadSignal2  [88]byte
	BadEnv      [80]byte
	NoTable     [56]byte
	NoEngine1   [56]byte
	NoEngine2   [8]byte
	NoEngine3   [32]byte
}

// agentConstSize is the size of agentConst; a test compares the two.
const agentConstSize = 8 + 32*8 + agentExactRows*32 + 16 + 24 + 8 + 16 + 8 + 8 + 16 + 24 + 88 + 80 + 56 + 56 + 8 + 32

// agentData is what the block writes; it begins as zeros.
type agentData struct {
	// Env is the engine's environment, NULL-terminated: the CKPT_ variables
	// as they were when the program started. They are copied because a
	// program may write over its environment (setproctitle does).
	Env      [agentEnvSlots + 1]uint64
	EnvBytes [agentEnvBytes]byte

	// Running counts the handlers that are at work, one a thread at most.
	Running uint32
	_       uint32

	// Waiting is the agentScratch of a middle child for which no handler waits.
	Waiting uint64
}

const (
	agentEnvSlots = 63
	agentEnvBytes = 4096
)

// agentScratch lies at the bottom of the memory that a handler maps for the
// middle child, whose stack grows down towards it from the top.
type agentScratch struct {
	Beside [agentPathMax + 16]byte // DIR/ckpt
	Under  [agentPathMax + 16]byte // DIR/../bin/ckpt
	Chunk  [agentChunkSize]byte    // of /proc/self/maps
	Pid    [24]byte                // of the target, in decimal
	Argv   [4]uint64
	Act    [4]uint64 // a struct sigaction of zeros: SIG_DFL
	Mask   uint64    // an empty signal mask
	Owner  uint32    // the process whose child the middle one is
	Middle uint32    // its id, 0 until it is born
	Reaper uint32    // whether the program is a child subreaper
	_      uint32
}

const (
	agentScratchSize = 64 << 10 // of that memory, in bytes
	agentChunkSize   = 4096
)
