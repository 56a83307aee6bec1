// clock_nanosleep for some time: every register that the call must preserve is
// as it was, the argument registers too.
// run: noagent
#include "call.h"

int main(void) {
  struct timespec ask = {1, 0}, rest = {0, 0};
  register long r8 __asm__("r8") = 808, r9 __asm__("r9") = 909, r10 __asm__("r10");
  long result, rdi = CLOCK_MONOTONIC, rsi = 0, rdx = (long)&ask;
  blocks_in(SYS_clock_nanosleep, 300, "");
  r8 = 808, r9 = 909, r10 = (long)&rest;
  __asm__ volatile("syscall"
                   : "=a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r8), "+r"(r9), "+r"(r10)
                   : "0"((long)SYS_clock_nanosleep)
                   : "rcx", "r11", "memory");
  long a = r8, b = r9, c = r10;
  CHECK(result == 0, "%ld", result);
  CHECK(rdi == CLOCK_MONOTONIC && rsi == 0 && rdx == (long)&ask, "%lx %lx %lx", rdi, rsi, rdx);
  CHECK(a == 808 && b == 909 && c == (long)&rest, "%ld %ld %lx", a, b, c);
  CHECK_TOOK(1, 8);
  return done();
}
