// raise after the restore: a handler runs, then the default action kills.
#include <signal.h>

#include "probe.h"

static volatile int got;
static void handler(int s) { got = s; }

int main(void) {
  signal(SIGTERM, handler);
  probe_say("ready exit=143");
  wait_go();
  CHECK(raise(SIGTERM) == 0 && got == SIGTERM, "handler did not run: %d", got);
  signal(SIGTERM, SIG_DFL);
  done();
  raise(SIGTERM);
  return 3;
}
