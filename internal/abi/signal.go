package abi

import "encoding/binary"

// SigAction is the kernel's struct sigaction as rt_sigaction(2) takes it
// (include/linux/signal_types.h); glibc's differs.
type SigAction struct {
	Handler  uint64 `json:"handler,omitempty"`
	Flags    uint64 `json:"flags,omitempty"`
	Restorer uint64 `json:"restorer,omitempty"`
	Mask     uint64 `json:"mask,omitempty"`
}

// SigActionSize is the size of SigAction in bytes.
const SigActionSize = 32

// NSig is the number of signals; they are numbered from 1.
const NSig = 64

// SiginfoSize is the size of siginfo_t (SI_MAX_SIZE, asm-generic/siginfo.h).
const SiginfoSize = 128

// Siginfo is one siginfo_t, kept as the kernel gave it: what its bytes mean
// depends on the signal's origin, and it is only ever handed back.
type Siginfo [SiginfoSize]byte

// ChildKilled is what the kernel tells of a child that SIGKILL has ended, with its user
// (do_notify_parent in kernel/signal.c).
func ChildKilled(sig, pid, uid int) (i Siginfo) {
	const cldKilled, sigkill = 2, 9
	binary.NativeEndian.PutUint32(i[0:], uint32(sig))
	binary.NativeEndian.PutUint32(i[8:], cldKilled)
	binary.NativeEndian.PutUint32(i[16:], uint32(pid))
	binary.NativeEndian.PutUint32(i[20:], uint32(uid))
	binary.NativeEndian.PutUint32(i[24:], sigkill)
	return i
}

// StackT is stack_t, see sigaltstack(2).
type StackT struct {
	SP    uint64 `json:"sp"`
	Flags int32  `json:"flags"`
	_     int32
	Size  uint64 `json:"size"`
}

// Flags of StackT.
const (
	SSOnStack    = 1
	SSDisable    = 2
	SSAutodisarm = 1 << 31
)
