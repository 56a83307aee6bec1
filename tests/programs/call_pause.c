// pause returns when, and only when, a handler has run.
// run: inline
#include "call.h"
#include <signal.h>

static volatile int handled;
static void handler(int s) { handled = s; }

int main(void) {
  signal(SIGUSR1, handler);
  blocks_in(SYS_pause, 50, "wake=sig:10");
  int n = pause();
  CHECK(n == -1 && errno == EINTR, "%d: %s", n, strerror(errno));
  CHECK(handled == SIGUSR1, "no handler ran: %d", handled);
  return done();
}
