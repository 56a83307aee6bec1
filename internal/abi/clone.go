package abi

// Flags of clone(2) and clone3(2) (include/uapi/linux/sched.h).
const (
	CloneVM      = 0x100
	CloneFS      = 0x200
	CloneFiles   = 0x400
	CloneSighand = 0x800
	CloneParent  = 0x8000
	CloneThread  = 0x10000
	CloneSysVSem = 0x40000

	// CloneSibling are those of another thread of the process.
	CloneSibling = CloneVM | CloneFS | CloneFiles | CloneSighand | CloneThread | CloneSysVSem
)
