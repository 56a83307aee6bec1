// comm, cmdline and environ, as the program and as ps sees them.
// run: args=one,two env=PROBE_VALUE=x generations
#include <sys/prctl.h>

#include "probe.h"

extern char **environ;

int main(int argc, char **argv) {
  static char cmdline[4096], environment[65536];
  char comm[17] = "";
  NEED(argc == 3 && prctl(PR_SET_NAME, "renamed probe") == 0);
  memcpy(cmdline, slurp("/proc/self/cmdline"), sizeof cmdline);
  memcpy(environment, slurp("/proc/self/environ"), sizeof environment);
  NEED(strcmp(cmdline, argv[0]) == 0);
  save_here();
  NEED(prctl(PR_GET_NAME, comm) == 0);
  CHECK(strcmp(comm, "renamed probe") == 0, "comm %s", comm);
  CHECK(strcmp(slurp("/proc/self/comm"), "renamed probe\n") == 0, "comm %s",
      slurp("/proc/self/comm"));
  CHECK(!memcmp(slurp("/proc/self/cmdline"), cmdline, sizeof cmdline), "cmdline %s",
      slurp("/proc/self/cmdline"));
  CHECK(!memcmp(slurp("/proc/self/environ"), environment, sizeof environment), "environ");
  CHECK(strcmp(argv[2], "two") == 0 && getenv("PROBE_VALUE"), "argv or environ moved");
  CHECK(setenv("PROBE_VALUE", "y", 1) == 0 && !strcmp(getenv("PROBE_VALUE"), "y"), "setenv");
  return done();
}
