package abi

// Flags of mmap(2), mremap(2) and mlock2(2), and advice of madvise(2)
// (include/uapi/asm-generic/mman-common.h, mman.h).
const (
	MapShared    = 0x1
	MapPrivate   = 0x2
	MapFixed     = 0x10
	MapAnonymous = 0x20
	MapGrowsDown = 0x100
	MapStack     = 0x20000
	MapNoReserve = 0x4000

	MapFixedNoReplace = 0x100000

	MremapMayMove = 1
	MremapFixed   = 2

	MlockOnFault = 1

	MadvRandom     = 1
	MadvSequential = 2
	MadvDontNeed   = 4
	MadvDontFork   = 10
	MadvMergeable  = 12
	MadvHugePage   = 14
	MadvNoHugePage = 15
	MadvDontDump   = 16
	MadvWipeOnFork = 18

	MadvPopulateWrite = 23 // Linux 5.14
	MadvCollapse      = 25 // Linux 6.1
)

// Modes of fallocate(2) (include/uapi/linux/falloc.h).
const (
	FallocKeepSize  = 1
	FallocPunchHole = 2
)
