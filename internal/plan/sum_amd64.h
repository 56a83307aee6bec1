// The checksums of the table from DI on, each the XXH3-64 of more than 240 bytes,
// with the default secret and without a seed (github.com/Cyan4973/xxHash,
// doc/xxhash_spec.md). Part of parked, see interp_amd64.s. AVX2 is no faster where
// memory is the limit.
//
// The bytes are taken in stripes of 64. Each goes into eight accumulators of 64
// bits, mixed with 64 bytes of the secret, which are 8 bytes further with every
// stripe. After sixteen stripes the accumulators are scrambled and the secret is
// taken from its beginning again. The last 64 bytes, which may overlap the stripe
// in front, have a place of their own in the secret.
//
//	R15	the entry in the table
//	SI	how many bytes
//	DI	the next stripe
//	R8	the last 64 bytes
//	R9	stripes left in front of them
//	R10	the secret of this stripe
//	R11	stripes left until they are scrambled
//	BP	the secret
//	X0-X3	the accumulators
//	X7	two times PRIME32_1

#define PRIME32_1	$0x9e3779b1
#define PRIME32_2	$0x85ebca77
#define PRIME32_3	$0xc2b2ae3d
#define PRIME64_1	$0x9e3779b185ebca87
#define PRIME64_2	$0xc2b2ae3d27d4eb4f
#define PRIME64_3	$0x165667b19e3779f9
#define PRIME64_4	$0x85ebca77c2b2ae63
#define PRIME64_5	$0x27d4eb2f165667c5
#define PRIME_MX1	$0x165667919e3779f9

#define STRIPE	64
#define SECRET_STEP	8
#define BLOCK_STRIPES	16
// Where in the secret of 192 bytes the scrambling, the last stripe and the
// merging begin.
#define SECRET_SCRAMBLE	128
#define SECRET_LAST	121
#define SECRET_MERGE	11

// X = a, b
#define PAIR(a, b, X) \
	MOVQ	a, AX; \
	MOVQ	AX, X; \
	MOVQ	b, AX; \
	MOVQ	AX, X15; \
	PUNPCKLQDQ	X15, X

// acc += swapped data + (low half of data^secret) * (high half of it)
#define MIX(at, acc, A, B, C) \
	MOVOU	at(DI), A; \
	MOVOU	at(R10), B; \
	PXOR	A, B; \
	PSHUFD	$0x31, B, C; \
	PMULULQ	B, C; \
	PSHUFD	$0x4e, A, A; \
	PADDQ	A, acc; \
	PADDQ	C, acc

// acc = ((acc ^ acc>>47) ^ secret) * PRIME32_1
#define SCRAMBLE(at, acc) \
	MOVO	acc, X8; \
	PSRLQ	$47, X8; \
	PXOR	X8, acc; \
	MOVOU	(SECRET_SCRAMBLE+at)(BP), X8; \
	PXOR	X8, acc; \
	PSHUFD	$0x31, acc, X8; \
	PMULULQ	X7, acc; \
	PMULULQ	X7, X8; \
	PSLLQ	$32, X8; \
	PADDQ	X8, acc

// R9 += the halves of the 128 bits of (low half of X ^ secret) * (high half of
// X ^ secret)
#define MERGE(at, X) \
	MOVQ	X, AX; \
	PSRLO	$8, X; \
	MOVQ	X, CX; \
	XORQ	(SECRET_MERGE+at)(BP), AX; \
	XORQ	(SECRET_MERGE+at+8)(BP), CX; \
	MULQ	CX; \
	XORQ	DX, AX; \
	ADDQ	AX, R9

sums:
	MOVQ	DI, R15
sum:
	ARG(1, CX)
	XORL	AX, AX
	CMPQ	R15, CX
	JEQ	check
	ARG(2, DI)
	ADDQ	const_sumAddr(R15), DI
	MOVQ	const_sumLen(R15), SI
	LEAQ	·secret(SB), BP
	LEAQ	-STRIPE(DI)(SI*1), R8
	LEAQ	-1(SI), R9
	SHRQ	$6, R9
	PAIR(PRIME32_3, PRIME64_1, X0)
	PAIR(PRIME64_2, PRIME64_3, X1)
	PAIR(PRIME64_4, PRIME32_2, X2)
	PAIR(PRIME64_5, PRIME32_1, X3)
	PAIR(PRIME32_1, PRIME32_1, X7)

block:
	MOVQ	BP, R10
	MOVL	$BLOCK_STRIPES, R11
stripe:
	TESTQ	R9, R9
	JZ	tail
	MIX(0, X0, X8, X9, X10)
	MIX(16, X1, X11, X12, X13)
	MIX(32, X2, X8, X9, X10)
	MIX(48, X3, X11, X12, X13)
	ADDQ	$STRIPE, DI
	ADDQ	$SECRET_STEP, R10
	DECQ	R9
	DECL	R11
	JNZ	stripe
	SCRAMBLE(0, X0)
	SCRAMBLE(16, X1)
	SCRAMBLE(32, X2)
	SCRAMBLE(48, X3)
	JMP	block
tail:
	MOVQ	R8, DI
	LEAQ	SECRET_LAST(BP), R10
	MIX(0, X0, X8, X9, X10)
	MIX(16, X1, X11, X12, X13)
	MIX(32, X2, X8, X9, X10)
	MIX(48, X3, X11, X12, X13)

merge:
	MOVQ	PRIME64_1, R9
	IMULQ	SI, R9
	MERGE(0, X0)
	MERGE(16, X1)
	MERGE(32, X2)
	MERGE(48, X3)
	// The last mixing of the bits.
	MOVQ	R9, AX
	SHRQ	$37, AX
	XORQ	R9, AX
	MOVQ	PRIME_MX1, CX
	IMULQ	CX, AX
	MOVQ	AX, CX
	SHRQ	$32, CX
	XORQ	CX, AX
	CMPQ	AX, const_sumWant(R15)
	JNE	differs
	ADDQ	$const_sumSize, R15
	JMP	sum
differs:
	MOVQ	const_sumName(R15), AX
	MOVL	$const_wrongSumText, R11
	JMP	failedAs
