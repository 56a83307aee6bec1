package abi

// Options of PTRACE_SEIZE and PTRACE_SETOPTIONS (include/uapi/linux/ptrace.h).
const (
	PtraceOTraceSysGood    = 1 << 0
	PtraceOTraceFork       = 1 << 1
	PtraceOTraceVfork      = 1 << 2
	PtraceOTraceClone      = 1 << 3
	PtraceOExitKill        = 1 << 20
	PtraceOSuspendSeccomp  = 1 << 21
	PtraceSyscallStopFlag  = 0x80 // added to SIGTRAP by PtraceOTraceSysGood
	PtraceEventStop        = 128  // status>>16 of a group stop or an interrupt
	PtracePeekSigShared    = 1    // flag of PTRACE_PEEKSIGINFO: the process's queue
	PtraceSyscallInfoNone  = 0
	PtraceSyscallInfoEntry = 1
	PtraceSyscallInfoExit  = 2
)

// Note types of PTRACE_GETREGSET (include/uapi/linux/elf.h).
const (
	NTPrStatus  = 1
	NTPrFPReg   = 2
	NTX86XState = 0x202
	NTX86Shstk  = 0x204
)

// SyscallInfo is struct ptrace_syscall_info (include/uapi/linux/ptrace.h) as
// PTRACE_GET_SYSCALL_INFO fills it. At an entry stop Data holds the number of
// the call and its six arguments, at an exit stop the result and whether it is
// an error.
type SyscallInfo struct {
	Op   uint8
	_    [3]byte
	Arch uint32
	IP   uint64
	SP   uint64
	Data [8]uint64
}
