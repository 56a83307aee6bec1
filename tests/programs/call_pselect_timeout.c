// pselect with a signal mask runs into its timeout; the mask is put back.
// run: inline
#include "call.h"
#include <signal.h>
#include <sys/select.h>

int main(void) {
  struct timespec wait = {1, 500000000};
  sigset_t blocked, during, after;
  sigemptyset(&blocked), sigemptyset(&during);
  sigaddset(&blocked, SIGTERM), sigaddset(&during, SIGHUP);
  NEED(sigprocmask(SIG_SETMASK, &blocked, NULL) == 0);
  blocks_in(SYS_pselect6, 500, "");
  int n = pselect(0, NULL, NULL, NULL, &wait, &during);
  CHECK(n == 0, "%d: %s", n, strerror(errno));
  NEED(sigprocmask(SIG_SETMASK, NULL, &after) == 0);
  CHECK(sigismember(&after, SIGTERM) && !sigismember(&after, SIGHUP), "mask is not put back");
  CHECK_TOOK(1.5, 8);
  return done();
}
