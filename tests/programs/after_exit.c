// The exit status, atexit handlers and stdio buffers that were not flushed yet.
// run: static
#include "probe.h"

static void at_exit(void) { printf("and at exit\nok\n"); }

int main(void) {
  static char buffer[4096];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  atexit(at_exit);
  printf("buffered before the save ");
  probe_say("ready exit=42");
  wait_go();
  return 42;
}
