// A call that a handler without SA_RESTART interrupts after the restore fails
// with EINTR, as it would have: the engine does not restart what it must not.
#include <signal.h>

#include "call.h"

static volatile int handled;
static void handler(int s) { handled = s; }

int main(void) {
  int ends[2];
  char byte;
  struct sigaction a = {.sa_handler = handler};
  NEED(pipe(ends) == 0 && sigaction(SIGUSR1, &a, NULL) == 0);
  blocks_in(SYS_read, 50, "wake=sig:10");
  ssize_t n = read(ends[0], &byte, 1);
  CHECK(n == -1 && errno == EINTR && handled == SIGUSR1, "%zd: %s", n, strerror(errno));
  return done();
}
