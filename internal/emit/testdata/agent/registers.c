/* Keeps patterns in every register and in the red zone while it spins, until
 * SIGUSR1; a signal must change none. Built with -mno-red-zone, so that the
 * red zone is this file's own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stop;
static void on_usr1(int sig) { (void)sig; stop = 1; }

static unsigned char x[16 * 16], y[16 * 16];
static double st_in[8] = { 1.5, 2.25, -3, 4e10, 5, 6, 7, 8e-9 }, st_out[8];
static unsigned long bad;

static void round_(void)
{
	__asm__ volatile(
		"movdqu 0(%[x]),%%xmm0\n movdqu 16(%[x]),%%xmm1\n movdqu 32(%[x]),%%xmm2\n movdqu 48(%[x]),%%xmm3\n"
		"movdqu 64(%[x]),%%xmm4\n movdqu 80(%[x]),%%xmm5\n movdqu 96(%[x]),%%xmm6\n movdqu 112(%[x]),%%xmm7\n"
		"movdqu 128(%[x]),%%xmm8\n movdqu 144(%[x]),%%xmm9\n movdqu 160(%[x]),%%xmm10\n movdqu 176(%[x]),%%xmm11\n"
		"movdqu 192(%[x]),%%xmm12\n movdqu 208(%[x]),%%xmm13\n movdqu 224(%[x]),%%xmm14\n movdqu 240(%[x]),%%xmm15\n"
		"fldl 0(%[i])\n fldl 8(%[i])\n fldl 16(%[i])\n fldl 24(%[i])\n"
		"fldl 32(%[i])\n fldl 40(%[i])\n fldl 48(%[i])\n fldl 56(%[i])\n"
		/* red zone: -8 to -128 */
		"mov $-16,%%rax\n"
		"1: mov %%rax,(%%rsp,%%rax,8)\n inc %%rax\n jnz 1b\n"
		"mov $0x1111,%%r8\n mov $0x2222,%%r9\n mov $0x3333,%%r10\n mov $0x4444,%%r11\n mov $0x5555,%%r12\n"
		"mov $0x6666,%%r13\n mov $0x7777,%%r14\n mov $0x8888,%%r15\n"
		"mov $20000000,%%rcx\n"
		"2: dec %%rcx\n jnz 2b\n"
		"xor %%rdx,%%rdx\n"
		"cmp $0x1111,%%r8\n jne 9f\n cmp $0x2222,%%r9\n jne 9f\n cmp $0x3333,%%r10\n jne 9f\n cmp $0x4444,%%r11\n jne 9f\n"
		"cmp $0x5555,%%r12\n jne 9f\n cmp $0x6666,%%r13\n jne 9f\n cmp $0x7777,%%r14\n jne 9f\n cmp $0x8888,%%r15\n jne 9f\n"
		"mov $-16,%%rax\n"
		"3: cmp %%rax,(%%rsp,%%rax,8)\n jne 9f\n inc %%rax\n jnz 3b\n"
		"jmp 8f\n"
		"9: inc %%rdx\n"
		"8: mov %%rdx,%[bad]\n"
		"fstpl 56(%[o])\n fstpl 48(%[o])\n fstpl 40(%[o])\n fstpl 32(%[o])\n"
		"fstpl 24(%[o])\n fstpl 16(%[o])\n fstpl 8(%[o])\n fstpl 0(%[o])\n"
		"movdqu %%xmm0,0(%[y])\n movdqu %%xmm1,16(%[y])\n movdqu %%xmm2,32(%[y])\n movdqu %%xmm3,48(%[y])\n"
		"movdqu %%xmm4,64(%[y])\n movdqu %%xmm5,80(%[y])\n movdqu %%xmm6,96(%[y])\n movdqu %%xmm7,112(%[y])\n"
		"movdqu %%xmm8,128(%[y])\n movdqu %%xmm9,144(%[y])\n movdqu %%xmm10,160(%[y])\n movdqu %%xmm11,176(%[y])\n"
		"movdqu %%xmm12,192(%[y])\n movdqu %%xmm13,208(%[y])\n movdqu %%xmm14,224(%[y])\n movdqu %%xmm15,240(%[y])\n"
		: [bad] "=m"(bad)
		: [x] "r"(x), [y] "D"(y), [i] "S"(st_in), [o] "b"(st_out)
		: "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc",
		  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
		  "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
}

int main(void)
{
	for (unsigned i = 0; i < sizeof x; i++)
		x[i] = i * 7 + 1;
	signal(SIGUSR1, on_usr1);
	puts("ready");
	fflush(stdout);
	do {
		round_();
		if (bad || memcmp(x, y, sizeof x) || memcmp(st_in, st_out, sizeof st_in)) {
			printf("changed: bad %lu sse %d x87 %d\n", bad, memcmp(x, y, sizeof x), memcmp(st_in, st_out, sizeof st_in));
			return 1;
		}
	} while (!stop);
	puts("ok");
	return 0;
}
