// One long sleep that is saved and restored many times: it neither loses nor
// gains time, and no register shows how often it was begun anew.
// run: noagent generations
#include "call.h"

int main(void) {
  struct timespec ask = {10, 0}, rest = {0, 0};
  long result, rdi = (long)&ask, rsi = (long)&rest;
  blocks_in(SYS_nanosleep, 2500, "");
  __asm__ volatile("syscall"
                   : "=a"(result), "+D"(rdi), "+S"(rsi)
                   : "0"((long)SYS_nanosleep)
                   : "rcx", "r11", "memory");
  CHECK(result == 0, "%ld", result);
  CHECK(rdi == (long)&ask && rsi == (long)&rest, "%lx %lx", rdi, rsi);
  CHECK(ask.tv_sec == 10 && ask.tv_nsec == 0, "the request was overwritten");
  // The downtime includes what the harness needs to notice, each time: on a busy
  // machine some seconds in all. It had lived for 2.5 when it was first saved.
  double lived = now() - call_start - downtime();
  CHECK(lived > 5, "lived %.3f s of 10", lived);
  CHECK_TOOK(10, 11);
  return done();
}
