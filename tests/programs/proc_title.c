// A title that the program wrote over its own arguments (setproctitle).
// run: args=some-room-for-a-title
#include "probe.h"

int main(int argc, char **argv) {
  NEED(argc == 2);
  size_t room = strlen(argv[0]);
  memset(argv[0], 0, room);
  strncpy(argv[0], "probe: idle", room);
  save_here();
  CHECK(strcmp(slurp("/proc/self/cmdline"), "probe: idle") == 0, "%s",
      slurp("/proc/self/cmdline"));
  return done();
}
