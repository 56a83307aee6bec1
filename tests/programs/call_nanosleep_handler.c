// A handler that runs in the middle of a sleep, and takes its time: the sleep
// fails with EINTR, tells what was left when the handler came, and keeps every
// other register and the flags. SA_NODEFER: the mask is as before in the
// handler, too, see TestHandlerInSleep.
// run: noagent
#include <signal.h>

#include "call.h"

static void handler(int s) {
  (void)s;
  probe_say("handling");
  wait_go();
}

int main(void) {
  enum { carry = 1 };
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_NODEFER};
  struct timespec ask = {30, 0}, rest = {0, 0};
  long result, flags, rdi = (long)&ask, rsi = (long)&rest, rcx, here;
  NEED(sigaction(SIGUSR1, &a, NULL) == 0);
  blocks_in(SYS_nanosleep, 300, "wake=sig:10");
  __asm__ volatile("stc\n syscall\n 1: lea 1b(%%rip), %[here]\n"
                   "pushf\n pop %[flags]"
                   : "=a"(result), "+D"(rdi), "+S"(rsi), "=c"(rcx), [here] "=&r"(here), [flags] "=r"(flags)
                   : "0"((long)SYS_nanosleep)
                   : "r11", "memory", "cc");
  double left = (double)rest.tv_sec + (double)rest.tv_nsec / 1e9;
  probe_say("awake");
  while (access("stay", F_OK) == 0) probe_nap(2);
  CHECK(result == -EINTR, "%ld", result);
  CHECK(rdi == (long)&ask && rsi == (long)&rest, "%lx %lx", rdi, rsi);
  CHECK(rcx == here && flags & carry, "%lx instead of %lx, flags %lx", rcx, here, flags);
  CHECK(ask.tv_sec == 30 && ask.tv_nsec == 0, "the request was overwritten");
  CHECK(left > 20 && left < 29.75, "%.3f s left", left);
  return done();
}
