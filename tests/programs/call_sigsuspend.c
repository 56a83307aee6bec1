// sigsuspend with another mask returns when a handler has run; the mask is back.
// run: inline
#include "call.h"
#include <signal.h>

static volatile int handled;
static void handler(int s) { handled = s; }

int main(void) {
  sigset_t blocked, none, after;
  sigemptyset(&blocked), sigemptyset(&none);
  sigaddset(&blocked, SIGUSR1);
  signal(SIGUSR1, handler);
  NEED(sigprocmask(SIG_SETMASK, &blocked, NULL) == 0);
  blocks_in(SYS_rt_sigsuspend, 50, "wake=sig:10");
  int n = sigsuspend(&none);
  CHECK(n == -1 && errno == EINTR && handled == SIGUSR1, "%d: %s, %d", n, strerror(errno),
      handled);
  NEED(sigprocmask(SIG_SETMASK, NULL, &after) == 0);
  CHECK(sigismember(&after, SIGUSR1), "the mask is not put back");
  return done();
}
