// sigtimedwait runs into its timeout: EAGAIN, not EINTR.
// run: noagent
#include "call.h"
#include <signal.h>

int main(void) {
  sigset_t set;
  struct timespec wait = {1, 500000000};
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  blocks_in(SYS_rt_sigtimedwait, 500, "");
  int n = sigtimedwait(&set, NULL, &wait);
  CHECK(n == -1 && errno == EAGAIN, "%d: %s", n, strerror(errno));
  CHECK_TOOK(1.5, 8);
  return done();
}
