// Attributes that were not set are not set: nothing of the restarter's own
// shines through.
// run: generations
#include <sys/prctl.h>

#include "probe.h"

int main(void) {
  int subreaper = 9, death = 9;
  int slack = prctl(PR_GET_TIMERSLACK), keep = prctl(PR_GET_KEEPCAPS);
  char status[3][200], *names[] = {"Seccomp:", "CapEff:", "Groups:"};
  for (int i = 0; i < 3; i++) snprintf(status[i], 200, "%.*s", (int)strcspn(strstr(slurp("/proc/self/status"), names[i]), "\n"), strstr(slurp("/proc/self/status"), names[i]));
  save_here();
  CHECK(prctl(PR_GET_CHILD_SUBREAPER, &subreaper) == 0 && subreaper == 0, "subreaper %d", subreaper);
  CHECK(prctl(PR_GET_PDEATHSIG, &death) == 0 && death == 0, "parent-death signal %d", death);
  CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0, "no_new_privs");
  CHECK(prctl(PR_GET_TIMERSLACK) == slack, "timer slack %d, was %d", prctl(PR_GET_TIMERSLACK), slack);
  CHECK(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0, "huge pages disabled");
  CHECK(prctl(PR_GET_KEEPCAPS) == keep, "keepcaps");
  for (int i = 0; i < 3; i++) CHECK(strstr(slurp("/proc/self/status"), status[i]), "was %s", status[i]);
  return done();
}
