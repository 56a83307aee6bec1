// Every thread has its own registers: general ones, SSE or AVX, rounding,
// x87 control word, in a loop that makes no call.
#include "threads.h"

static volatile int stop;

static int work(int i) {
  unsigned char in[512] __attribute__((aligned(64))), out[512];
  unsigned int csr = 0x1f80 | (unsigned)(i % 4) << 13, csr_after;
  unsigned short control = (unsigned short)(0x037f | i % 4 << 10), control_after;
  long a = 0x1111111111111111 * (i + 1), r[4];
  fill(in, sizeof in, (unsigned)i);
  memset(out, 0, sizeof out);
  arrive(i);
  __asm__ volatile("ldmxcsr %0\n fldcw %1" : : "m"(csr), "m"(control));
#define LOAD(n) "movups 16*" #n "(%[in]), %%xmm" #n "\n"
#define STORE(n) "movups %%xmm" #n ", 16*" #n "(%[out])\n"
#define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) \
               X(12) X(13) X(14) X(15)
  __asm__ volatile(
      ALL(LOAD) "mov %[a], %%r8\n lea 1(%%r8), %%r9\n lea 2(%%r8), %%r10\n lea 3(%%r8), %%r11\n"
      "1: pause\n cmpl $0, %[stop]\n je 1b\n" ALL(STORE)
      "mov %%r8, 0(%[r])\n mov %%r9, 8(%[r])\n mov %%r10, 16(%[r])\n mov %%r11, 24(%[r])\n"
      :
      : [in] "r"(in), [out] "r"(out), [a] "r"(a), [r] "r"(r), [stop] "m"(stop)
      : "memory", "cc", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
        "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(csr_after), "=m"(control_after));
  CHECK(memcmp(in, out, 256) == 0, "thread %d: xmm", i);
  for (int n = 0; n < 4; n++) CHECK(r[n] == a + n, "thread %d: r%d is %lx", i, 8 + n, r[n]);
  CHECK((csr_after & ~0x3fu) == csr, "thread %d: mxcsr %x, was %x", i, csr_after, csr);
  CHECK(control_after == control, "thread %d: control word %x, was %x", i, control_after, control);
  return 1000 + i;
}

int main(void) {
  start(8, work);
  save_here();
  stop = 1;
  join_all();
  return done();
}
