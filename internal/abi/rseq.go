package abi

// RseqConfig is struct ptrace_rseq_configuration (include/uapi/linux/ptrace.h),
// what PTRACE_GET_RSEQ_CONFIGURATION tells. An Area of zero means that the
// thread has no rseq area registered.
type RseqConfig struct {
	Area      uint64 `json:"area"`
	Size      uint32 `json:"size"`
	Signature uint32 `json:"signature"`
	Flags     uint32 `json:"flags"`
	_         uint32
}
