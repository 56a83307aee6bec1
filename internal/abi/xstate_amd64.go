package abi

import "encoding/binary"

// XFeatures are the state components that the kernel manages for programs
// (XCR0), from an NT_X86_XSTATE register set: the kernel puts them into the
// software-reserved bytes of the legacy area (USER_XSTATE_XCR0_WORD,
// arch/x86/include/asm/user.h). 0 for the bare 512 bytes of a processor
// without XSAVE.
func XFeatures(xstate []byte) uint64 {
	if len(xstate) <= fxsaveSize {
		return 0
	}
	return binary.LittleEndian.Uint64(xstate[swReserved:])
}
