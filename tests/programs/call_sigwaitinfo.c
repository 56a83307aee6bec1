// sigwaitinfo returns the signal that comes later.
// run: inline
#include "call.h"
#include <signal.h>

int main(void) {
  sigset_t set;
  siginfo_t info;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  blocks_in(SYS_rt_sigtimedwait, 50, "wake=sig:10");
  int n = sigwaitinfo(&set, &info);
  CHECK(n == SIGUSR1 && info.si_code == SI_USER, "%d: %s, code %d", n, strerror(errno),
      info.si_code);
  return done();
}
