// The interpreter of restore plans: the only code in a restored process until
// the program itself runs. It is copied as one piece from interp to interpEnd
// to the beginning of every block (layout.go), so it refers to nothing but
// itself and its block, and it may use no Go data and no stack once it is
// parked: the plan unmaps the stack.
//
// Registers:
//	BX   the block
//	R14  its slots
//	R12  the current op
//	R13  ops left, the current one included
//	R15  the entry of the walker that is being started, or in a table of checksums
//	AX   the op's result
// A system call changes AX, CX and R11 only. Several walkers may be here at once:
// all that one has is in its registers and behind R14.

#include "go_asm.h"
#include "textflag.h"

#define SYS_write	1
#define SYS_poll	7
#define SYS_mmap	9
#define SYS_mprotect	10
#define SYS_munmap	11
#define SYS_rt_sigreturn	15
#define SYS_sched_yield	24
#define SYS_getpid	39
#define SYS_exit	60
#define SYS_kill	62
#define SYS_futex	202
#define SYS_exit_group	231

#define EEXIST	17
#define SIGKILL	9
#define FUTEX_WAIT	0
#define FUTEX_WAKE	1
#define INT_MAX	0x7fffffff
#define AT_SYSINFO_EHDR	33
#define PROT_READ_WRITE	3
#define PROT_READ_EXEC	5
// MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE
#define PARK_FLAGS	0x100022

// interp is where execve enters. The block is mapped read-only then, from the
// file that was executed; SP points to argc, argv, 0, envp, 0, auxv
// (fs/binfmt_elf.c, create_elf_tables). It copies the block to anonymous
// memory, since a process cannot change its exe link while the old file is
// mapped (prctl(2), PR_SET_MM_EXE_FILE), and goes on there.
TEXT ·interp(SB), NOSPLIT|NOFRAME, $0-0
	LEAQ	·interp(SB), BX

	// R12 = the value of AT_SYSINFO_EHDR, or 0.
	MOVQ	(SP), CX
	LEAQ	16(SP)(CX*8), SI
env:
	MOVQ	(SI), AX
	ADDQ	$8, SI
	TESTQ	AX, AX
	JNZ	env
	XORL	R12, R12
aux:
	MOVQ	(SI), AX
	TESTQ	AX, AX
	JZ	park
	CMPQ	AX, $AT_SYSINFO_EHDR
	JNE	auxNext
	MOVQ	8(SI), R12
auxNext:
	ADDQ	$16, SI
	JMP	aux

park:
	// Where fail finds its text and its buffer as long as the block is not
	// writable: a piece of the old stack.
	LEAQ	const_hdrParkText(BX), R9
	LEAQ	-const_messageSize(SP), R8
	ANDQ	$~15, R8
	MOVQ	R8, BP

	MOVQ	const_hdrPark(BX), DI
	MOVQ	const_hdrSize(BX), SI
	MOVL	$PROT_READ_WRITE, DX
	MOVL	$PARK_FLAGS, R10
	MOVQ	$-1, R8
	MOVQ	R9, R13
	XORL	R9, R9
	MOVL	$SYS_mmap, AX
	SYSCALL
	MOVQ	R13, R9
	MOVQ	BP, R8
	// Kernels before 4.17 take the address for a hint.
	CMPQ	AX, DI
	JNE	unparked

	// R14 = the new block.
	MOVQ	AX, R14
	MOVQ	SI, CX
	SHRQ	$3, CX
	MOVQ	BX, SI
	CLD
	REP; MOVSQ

	MOVQ	R14, const_hdrSlots+8*const_Base(R14)
	MOVQ	R12, const_hdrSlots+8*const_VDSO(R14)
	MOVQ	const_hdrSize(BX), AX
	MOVQ	AX, const_hdrSlots+8*const_Size(R14)

	MOVQ	R14, DI
	MOVL	$const_CodeSize, SI
	MOVL	$PROT_READ_EXEC, DX
	MOVL	$SYS_mprotect, AX
	SYSCALL
	TESTQ	AX, AX
	JNZ	unparked

	// Go on at the same place in the new block.
	LEAQ	·parked(SB), AX
	SUBQ	BX, AX
	ADDQ	R14, AX
	MOVQ	R14, BX
	JMP	AX

unparked:
	XORL	R11, R11
	JMP	·fail(SB)

#define ARG(i, reg) \
	MOVBLZX	(const_recArgSlots+i)(R12), AX \
	MOVQ	(R14)(AX*8), reg \
	ADDQ	(const_recImms+8*i)(R12), reg

// parked executes the ops. BX is the block at its final place.
TEXT ·parked(SB), NOSPLIT|NOFRAME, $0-0
	LEAQ	const_hdrSlots(BX), R14
	MOVQ	const_hdrOps(BX), R12
	ADDQ	BX, R12
	MOVQ	const_hdrOpCount(BX), R13

next:
	CMPB	const_recCode(R12), $const_Spawn
	JNE	args
	// The child may run before the parent goes on, so its slots come first.
	MOVWLZX	const_recWalker(R12), R15
	DECL	R15
	IMULQ	$const_walkerSize, R15
	ADDQ	const_hdrWalkers(BX), R15
	ADDQ	BX, R15
	LEAQ	const_wlkSlots(R15), DI
	MOVQ	R14, SI
	MOVL	$const_NumSlots, CX
	REP; MOVSQ
	MOVL	$const_spawnTries, const_slotsSize(R14)	// in the buffer of fail

args:
	ARG(0, DI)
	ARG(1, SI)
	ARG(2, DX)
	ARG(3, R10)
	ARG(4, R8)
	ARG(5, R9)
	MOVBLZX	const_recCode(R12), AX
	CMPL	AX, $const_Copy
	JEQ	copy
	CMPL	AX, $const_Poke32If
	JEQ	poke
	CMPL	AX, $const_Leave
	JEQ	leave
	CMPL	AX, $const_Depart
	JEQ	depart
	CMPL	AX, $const_Await
	JEQ	await
	CMPL	AX, $const_Add
	JEQ	add
	CMPL	AX, $const_Sums
	JEQ	sums

	MOVL	const_recNr(R12), AX
	SYSCALL
	CMPB	const_recCode(R12), $const_Spawn
	JEQ	spawned

check:
	MOVBLZX	const_recCheck(R12), CX
	CMPL	CX, $const_Whatever
	JEQ	store
	CMPL	CX, $const_Equals
	JEQ	equals
	CMPL	CX, $const_Until
	JEQ	equals
	CMPQ	AX, $-const_maxErrno
	JCS	store	// below: not an error
	JMP	failed
equals:
	MOVBLZX	const_recWantSlot(R12), CX
	MOVQ	(R14)(CX*8), CX
	ADDQ	const_recWant(R12), CX
	CMPQ	AX, CX
	JEQ	store
	CMPB	const_recCheck(R12), $const_Until
	JNE	failed
	MOVL	$SYS_sched_yield, AX
	SYSCALL
	JMP	args

store:
	MOVBLZX	const_recStore(R12), CX
	TESTL	CX, CX
	JZ	stored
	MOVQ	AX, (R14)(CX*8)
stored:
	ADDQ	$const_recordSize, R12
	DECQ	R13
	JNZ	next
	HLT	// no plan ends without leaving or exiting

spawned:
	TESTQ	AX, AX
	JZ	child
	CMPQ	AX, $-EEXIST
	JNE	check
	DECL	const_slotsSize(R14)
	JZ	check
	XORL	DI, DI
	XORL	SI, SI
	MOVL	$const_spawnPause, DX
	MOVL	$SYS_poll, AX
	SYSCALL
	JMP	args
child:
	LEAQ	const_wlkSlots(R15), R14
	MOVQ	const_wlkOps(R15), R12
	ADDQ	BX, R12
	MOVQ	const_wlkOpCount(R15), R13
	JMP	next

copy:
	MOVQ	DX, CX
	REP; MOVSB
	XORL	AX, AX
	JMP	check

poke:
	XORL	AX, AX
	CMPL	(DI), SI
	JNE	check
	MOVL	DX, (DI)
	MOVL	$1, AX
	JMP	check

await:
	MOVQ	SI, BP
waiting:
	XORL	AX, AX
	MOVL	(DI), DX
	CMPL	DX, BP
	JEQ	check
	MOVL	$FUTEX_WAIT, SI
	XORL	R10, R10
	MOVL	$SYS_futex, AX
	SYSCALL
	JMP	waiting

add:
	MOVL	SI, BP
	LOCK; XADDL	SI, (DI)
	ADDL	SI, BP
	MOVL	$FUTEX_WAKE, SI
	MOVL	$INT_MAX, DX
	MOVL	$SYS_futex, AX
	SYSCALL
	MOVL	BP, AX
	JMP	check

#include "sum_amd64.h"

depart:
	// As below; and as soon as the word has changed, the ops may go away.
	MOVQ	DI, BP
	MOVQ	SI, SP
	MOVQ	DX, R15
	MOVQ	R8, DI
	LOCK; INCL	(DI)
	MOVL	$FUTEX_WAKE, SI
	MOVL	$INT_MAX, DX
	MOVL	$SYS_futex, AX
	SYSCALL
	MOVQ	R15, DX
	JMP	jump

leave:
	// What the landing needs survives the system call in registers, since the
	// op itself goes away.
	MOVQ	DI, BP
	MOVQ	SI, SP
	TESTQ	R9, R9
	JZ	jump
	MOVQ	R8, DI
	MOVQ	R9, SI
	MOVL	$SYS_munmap, AX
	SYSCALL
	TESTQ	AX, AX
	JNZ	failed
jump:
	MOVQ	DX, DI
	MOVQ	R10, SI
	JMP	BP

failed:
	XORL	R11, R11
failedAs:
	LEAQ	const_recText(R12), R9
	LEAQ	const_slotsSize(R14), R8
	JMP	·fail(SB)

// fail says what went wrong and exits. R9 is the reference to the text of what
// was done, AX its result, R11 the index of the text in front of a result that is
// no error, R8 a buffer of messageSize bytes.
TEXT ·fail(SB), NOSPLIT|NOFRAME, $0-0
	CLD
	MOVQ	AX, R10
	MOVQ	R8, DI
	MOVL	$0x74706b63, (DI)	// "ckpt"
	MOVW	$0x203a, 4(DI)	// ": "
	ADDQ	$6, DI

	MOVL	const_textOff(R9), SI
	ADDQ	BX, SI
	MOVL	const_textLen(R9), CX
	REP; MOVSB
	MOVW	$0x203a, (DI)
	ADDQ	$2, DI

	// DX = the errno, or R11 if the result has no text.
	MOVQ	R10, DX
	NEGQ	DX
	CMPQ	DX, const_hdrErrCount(BX)
	JCS	known	// below
	MOVQ	R11, DX
known:
	MOVQ	const_hdrErrors(BX), R9
	ADDQ	BX, R9
	LEAQ	(R9)(DX*const_textRefSize), R9
	MOVL	const_textOff(R9), SI
	ADDQ	BX, SI
	MOVL	const_textLen(R9), CX
	REP; MOVSB
	CMPQ	DX, R11
	JNE	write

	// The result in hexadecimal. CX = 4 * digits left, leading zeros skipped.
	MOVL	$64, CX
skip:
	SUBQ	$4, CX
	JZ	digit
	MOVQ	R10, AX
	SHRQ	CX, AX
	JZ	skip
digit:
	MOVQ	R10, AX
	SHRQ	CX, AX
	ANDL	$15, AX
	CMPL	AX, $10
	JCS	decimal
	ADDL	$('a'-'0'-10), AX
decimal:
	ADDL	$'0', AX
	MOVB	AX, (DI)
	INCQ	DI
	SUBQ	$4, CX
	JCC	digit

write:
	MOVB	$'\n', (DI)
	INCQ	DI
	MOVQ	R8, SI
	MOVQ	DI, DX
	SUBQ	R8, DX
	MOVQ	const_hdrErrFD(BX), DI
	MOVL	$SYS_write, AX
	SYSCALL

	// Each of these ends the process, unless something filters system calls.
	MOVL	$const_ExitStatus, DI
	MOVL	$SYS_exit_group, AX
	SYSCALL
	MOVL	$SYS_getpid, AX
	SYSCALL
	MOVQ	AX, DI
	MOVL	$SIGKILL, SI
	MOVL	$SYS_kill, AX
	SYSCALL
	HLT

// sigreturn is exactly what gdb takes for a signal trampoline.
TEXT ·sigreturn(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	$SYS_rt_sigreturn, AX
	SYSCALL
	HLT

// endThread ends this thread alone, with status 0.
TEXT ·endThread(SB), NOSPLIT|NOFRAME, $0-0
	XORL	DI, DI
	MOVL	$SYS_exit, AX
	SYSCALL
	HLT

// secret is the default one of XXH3, 192 bytes (XXH3_kSecret). They are no code,
// but have to be in the block.
TEXT ·secret(SB), NOSPLIT|NOFRAME, $0-0
	QUAD	$0xbe4ba423396cfeb8
	QUAD	$0x1cad21f72c81017c
	QUAD	$0xdb979083e96dd4de
	QUAD	$0x1f67b3b7a4a44072
	QUAD	$0x78e5c0cc4ee679cb
	QUAD	$0x2172ffcc7dd05a82
	QUAD	$0x8e2443f7744608b8
	QUAD	$0x4c263a81e69035e0
	QUAD	$0xcb00c391bb52283c
	QUAD	$0xa32e531b8b65d088
	QUAD	$0x4ef90da297486471
	QUAD	$0xd8acdea946ef1938
	QUAD	$0x3f349ce33f76faa8
	QUAD	$0x1d4f0bc7c7bbdcf9
	QUAD	$0x3159b4cd4be0518a
	QUAD	$0x647378d9c97e9fc8
	QUAD	$0xc3ebd33483acc5ea
	QUAD	$0xeb6313faffa081c5
	QUAD	$0x49daf0b751dd0d17
	QUAD	$0x9e68d429265516d3
	QUAD	$0xfca1477d58be162b
	QUAD	$0xce31d07ad1b8f88f
	QUAD	$0x280416958f3acb45
	QUAD	$0x7e404bbbcafbd7af

TEXT ·interpEnd(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func code() []byte
//
// The addresses are taken in assembly because a Go reference would give those
// of ABI wrappers.
TEXT ·code(SB), NOSPLIT, $0-24
	LEAQ	·interp(SB), AX
	LEAQ	·interpEnd(SB), CX
	SUBQ	AX, CX
	MOVQ	AX, ret_base+0(FP)
	MOVQ	CX, ret_len+8(FP)
	MOVQ	CX, ret_cap+16(FP)
	RET

// func sigreturnOffset() uint64
TEXT ·sigreturnOffset(SB), NOSPLIT, $0-8
	LEAQ	·interp(SB), AX
	LEAQ	·sigreturn(SB), CX
	SUBQ	AX, CX
	MOVQ	CX, ret+0(FP)
	RET

// func endThreadOffset() uint64
TEXT ·endThreadOffset(SB), NOSPLIT, $0-8
	LEAQ	·interp(SB), AX
	LEAQ	·endThread(SB), CX
	SUBQ	AX, CX
	MOVQ	CX, ret+0(FP)
	RET
