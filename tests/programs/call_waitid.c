// waitid without children fails at once with ECHILD, after the restore as
// before: nothing that the restarter did has left a child.
// run: generations
#include <sys/wait.h>

#include "probe.h"

int main(void) {
  siginfo_t info;
  int status;
  save_here();
  CHECK(waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == -1 && errno == ECHILD, "%s",
      strerror(errno));
  CHECK(wait4(-1, &status, __WALL | WNOHANG, NULL) == -1 && errno == ECHILD, "%s",
      strerror(errno));
  CHECK(*slurp("/proc/thread-self/children") == 0, "children: %s",
      slurp("/proc/thread-self/children"));
  return done();
}
