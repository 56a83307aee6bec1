// The signal mask, real-time signals included.
#include <signal.h>

#include "probe.h"

int main(void) {
  unsigned long mask = 0xaaaa5555f0f01234, kept = 1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1);
  unsigned long after = 0, usr2 = 1UL << (SIGUSR2 - 1);
  mask &= ~usr2;  // the agent's
  NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0);
  save_here();
  NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &after, 8) == 0);
  CHECK(after == (mask & ~kept), "mask %lx, was %lx", after, mask & ~kept);
  return done();
}
