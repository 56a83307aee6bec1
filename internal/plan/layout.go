package plan

// A block is laid out for the interpreter, which finds everything relative to
// its own first byte:
//
//	0           code, read and execute once parked
//	sleepOff    behind the interpreter: stubs for the rest of sleeps, see Sleep
//	headerOff   header: what the interpreter must know, slots, message buffer
//	DataOffset  the plan's data
//	            ops, recordSize bytes each, walker by walker
//	            walkers but the first, walkerSize bytes each
//	            texts of the ops, then of the errors
//	            table of error texts
//	            zeros up to a page boundary
//
// The data comes before everything whose size grows with the number of ops, so
// that its place is known while the plan is being built. All numbers are
// little endian. The constants below reach interp_amd64.s through go_asm.h, so
// that encoder and interpreter cannot disagree.

const pageSize = 4096

// CodeSize is the size in bytes of the code: the interpreter, and stubs for some
// hundred threads that sleep.
const CodeSize = 4 * pageSize

// Entry is the offset in a block of the first instruction to be executed.
const Entry = 0

// MaxWhat is the longest Op.What in bytes; Builder cuts longer ones.
const MaxWhat = 480

// ExitStatus is what the interpreter exits with when the plan fails.
const ExitStatus = 125

// The header, offsets in the block.
const (
	headerOff    = CodeSize
	hdrMagic     = headerOff + 0  // u64
	hdrPark      = headerOff + 8  // u64: final address of the block
	hdrSize      = headerOff + 16 // u64: size of the block
	hdrDataLen   = headerOff + 24 // u64
	hdrOps       = headerOff + 32 // u64: offset of the first op
	hdrOpCount   = headerOff + 40 // u64: of the first walker
	hdrErrors    = headerOff + 48 // u64: offset of the table of error texts
	hdrErrCount  = headerOff + 56 // u64
	hdrErrFD     = headerOff + 64 // u64: descriptor for messages
	hdrParkText  = headerOff + 72 // text reference: what to say if parking fails
	hdrKept      = headerOff + 80 // u64: how much of the block stays mapped, 0: all
	hdrWalkers   = headerOff + 88 // u64: offset of the other walkers
	hdrWalkCount = headerOff + 96 // u64: number of the other walkers
	hdrSlots     = headerOff + 128
	hdrMessage   = hdrSlots + slotsSize // buffer for the message of a failed op
	slotsSize    = NumSlots * 8
	messageSize  = 640
	hdrEnd       = hdrMessage + messageSize
	magicVersion = 0x344e414c5054504b // "KPTPLAN4"
)

// sleepOff is the offset of the first stub that a Sleep describes. The others
// follow, sleepStride bytes apart.
const (
	sleepOff    = pageSize * 3 / 4
	sleepStride = 40
	maxSleeps   = (headerOff - sleepOff) / sleepStride
)

// DataOffset is the offset of the plan's data in its block.
const DataOffset = headerOff + 0x500

// An op as the interpreter reads it, offsets in the record.
const (
	recCode     = 0  // u8
	recCheck    = 1  // u8
	recStore    = 2  // u8
	recWantSlot = 3  // u8
	recNr       = 4  // u32
	recArgSlots = 8  // 6 u8
	recWalker   = 14 // u16
	recWant     = 16 // u64
	recImms     = 24 // 6 u64
	recText     = 72 // text reference
	recordSize  = 80
)

// A Checksum in the table of a Sums, offsets in its entry.
const (
	sumAddr = 0  // u64
	sumLen  = 8  // u64
	sumWant = 16 // u64
	sumName = 24 // u64
	sumSize = 32
)

// A walker but the first, offsets in its entry. The buffer for messages is
// behind the slots, as in the header.
const (
	wlkOps     = 0 // u64: offset of its first op
	wlkOpCount = 8 // u64
	wlkSlots   = 16
	walkerSize = wlkSlots + slotsSize + messageSize
	maxWalkers = 1<<16 - 1 // besides the first
)

// A text reference, offsets in the reference.
const (
	textOff     = 0 // u32: offset in the block
	textLen     = 4 // u32
	textRefSize = 8
)

// The table of error texts is indexed by errno; entry 0 introduces a result
// that is no error, or an error without a text, and the last one what a Sums found.
const (
	numErrors    = 134
	wrongSumText = numErrors
	numTexts     = numErrors + 1
)
