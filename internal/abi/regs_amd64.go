package abi

// Regs are the general purpose registers of one thread in the order of
// struct user_regs_struct (arch/x86/include/asm/user_64.h), which is also the
// order of pr_reg in an NT_PRSTATUS note and of PTRACE_GETREGSET.
type Regs struct {
	R15, R14, R13, R12, Rbp, Rbx, R11, R10 uint64
	R9, R8, Rax, Rcx, Rdx, Rsi, Rdi        uint64
	OrigRax                                uint64
	Rip, Cs, Eflags, Rsp, Ss               uint64
	FsBase, GsBase                         uint64
	Ds, Es, Fs, Gs                         uint64
}

// RegsSize is the size of Regs in bytes.
const RegsSize = 27 * 8
