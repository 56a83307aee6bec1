// Spends nearly all its time inside a restartable sequence that every
// preemption aborts and that begins again. It prints "START LENGTH ABORT".
#define _GNU_SOURCE
#include <linux/rseq.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/rseq.h>

extern char cs_start[], cs_end[], cs_abort[];
static struct rseq_cs cs __attribute__((aligned(32)));

int main(void) {
	struct rseq *r = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	cs.start_ip = (uintptr_t)cs_start;
	cs.post_commit_offset = cs_end - cs_start;
	cs.abort_ip = (uintptr_t)cs_abort;
	printf("%lu %lu %lu\n", (unsigned long)cs.start_ip, (unsigned long)cs.post_commit_offset,
	       (unsigned long)cs.abort_ip);
	fflush(stdout);
	asm volatile(
		"	jmp 1f\n"
		"	.long 0x53053053\n" // what has to stand before an abort address
		".globl cs_abort\n"
		"cs_abort:\n"
		"1:	mov %0, %1\n"
		".globl cs_start\n"
		"cs_start:\n"
		"2:	pause\n"
		"	jmp 2b\n"
		".globl cs_end\n"
		"cs_end:\n"
		"	ud2\n"
		: : "r"(&cs), "m"(r->rseq_cs) : "memory");
}
