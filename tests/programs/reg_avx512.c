// zmm0 to zmm31 and the mask registers k0 to k7.
#include "spin.h"

// The compiler uses none of xmm16 to xmm31 and k0 to k7 without -mavx512f.
int main(void) {
  static unsigned char in[2048], out[2048];
  unsigned short masks[8], masks_after[8] = {0};
  if (!__builtin_cpu_supports("avx512f")) SKIP("no AVX-512");
  fill(in, sizeof in, 13);
  fill(masks, sizeof masks, 14);
  ready_to_spin();
#define LOAD(n) "vmovdqu64 64*" #n "(%[in]), %%zmm" #n "\n"
#define STORE(n) "vmovdqu64 %%zmm" #n ", 64*" #n "(%[out])\n"
#define LOADK(n) "kmovw 2*" #n "(%[masks]), %%k" #n "\n"
#define STOREK(n) "kmovw %%k" #n ", 2*" #n "(%[masks_after])\n"
#define EIGHT(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define ALL(X)                                                          \
  EIGHT(X) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17)    \
  X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28)     \
  X(29) X(30) X(31)
  __asm__ volatile(ALL(LOAD) EIGHT(LOADK) SPIN ALL(STORE) EIGHT(STOREK)
                   "vzeroupper\n"
                   :
                   : [in] "r"(in), [out] "r"(out), [masks] "r"(masks),
                     [masks_after] "r"(masks_after)
                   : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                     "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                     "xmm12", "xmm13", "xmm14", "xmm15");
  for (int i = 0; i < 32; i++)
    CHECK(memcmp(in + 64 * i, out + 64 * i, 64) == 0, "zmm%d", i);
  for (int i = 0; i < 8; i++)
    CHECK(masks[i] == masks_after[i], "k%d: %x, was %x", i, masks_after[i],
          masks[i]);
  return done();
}
