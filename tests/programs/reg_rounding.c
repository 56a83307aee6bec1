// Rounding modes of SSE and x87, and mxcsr with its sticky flags, denormals
// flushed and an exception unmasked.
// run: ldflags=-lm
#include <fenv.h>
#include <xmmintrin.h>

#include "probe.h"

int main(void) {
  fesetround(FE_UPWARD);
  // Division by zero unmasked, denormals are zero and flushed, a sticky flag.
  unsigned before = (_mm_getcsr() & ~0x0200u) | 0x8040 | 0x0020;
  _mm_setcsr(before);
  save_here();
  unsigned after = _mm_getcsr();
  volatile double one = 1, tiny = 0x1p-70;
  volatile long double long_one = 1;
  volatile double sum = one + tiny;
  volatile long double long_sum = long_one + tiny;
  CHECK((after & ~0x3fu) == (before & ~0x3fu) && (after & 0x20), "mxcsr %x, was %x", after,
      before);
  CHECK(fegetround() == FE_UPWARD, "rounding mode %d", fegetround());
  CHECK(sum > 1, "SSE rounds 1 + 2^-70 to %a", sum);
  CHECK(long_sum > 1, "x87 rounds 1 + 2^-70 to %La", long_sum);
  return done();
}
