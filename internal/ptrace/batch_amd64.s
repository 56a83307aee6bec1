#include "textflag.h"

// batch executes system calls, each of which stands in memory as eight words:
// number, six arguments, result. R12 points to the first, R13 is how many there
// are. It is copied into twins and refers to nothing but itself.
TEXT ·batch(SB), NOSPLIT|NOFRAME, $0-0
next:
	MOVQ	0(R12), AX
	MOVQ	8(R12), DI
	MOVQ	16(R12), SI
	MOVQ	24(R12), DX
	MOVQ	32(R12), R10
	MOVQ	40(R12), R8
	MOVQ	48(R12), R9
	SYSCALL
	MOVQ	AX, 56(R12)
	ADDQ	$64, R12
	DECQ	R13
	JNZ	next
	INT	$3

TEXT ·batchEnd(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func batchCode() []byte
TEXT ·batchCode(SB), NOSPLIT, $0-24
	LEAQ	·batch(SB), AX
	LEAQ	·batchEnd(SB), CX
	SUBQ	AX, CX
	MOVQ	AX, ret_base+0(FP)
	MOVQ	CX, ret_len+8(FP)
	MOVQ	CX, ret_cap+16(FP)
	RET
