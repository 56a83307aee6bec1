// xmm0 to xmm15.
#include "spin.h"

int main(void) {
  static unsigned char in[256] __attribute__((aligned(64))), out[256];
  fill(in, sizeof in, 11);
  ready_to_spin();
#define LOAD(n) "movups 16*" #n "(%[in]), %%xmm" #n "\n"
#define STORE(n) "movups %%xmm" #n ", 16*" #n "(%[out])\n"
#define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) \
               X(12) X(13) X(14) X(15)
  __asm__ volatile(ALL(LOAD) SPIN ALL(STORE)
                   :
                   : [in] "r"(in), [out] "r"(out)
                   : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                     "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                     "xmm12", "xmm13", "xmm14", "xmm15");
  for (int i = 0; i < 16; i++)
    CHECK(memcmp(in + 16 * i, out + 16 * i, 16) == 0, "xmm%d", i);
  return done();
}
