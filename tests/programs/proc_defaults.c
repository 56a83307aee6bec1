// Attributes that were not set are not set: nothing of the restarter's own
// shines through.
// run: generations
#include <sys/prctl.h>

#include "probe.h"

static void status_line(const char *name, char *line) {
  const char *at = strstr(slurp("/proc/self/status"), name);
  NEED(at);
  snprintf(line, 200, "%.*s", (int)strcspn(at, "\n"), at);
}

int main(void) {
  int subreaper = 9, death = 9;
  int slack = prctl(PR_GET_TIMERSLACK), keep = prctl(PR_GET_KEEPCAPS);
  static const char *names[] = {"Seccomp:", "CapEff:", "Groups:", "NoNewPrivs:"};
  char lines[4][200];
  for (int i = 0; i < 4; i++) status_line(names[i], lines[i]);
  save_here();
  CHECK(prctl(PR_GET_CHILD_SUBREAPER, &subreaper) == 0 && subreaper == 0, "subreaper %d",
      subreaper);
  CHECK(prctl(PR_GET_PDEATHSIG, &death) == 0 && death == 0, "parent-death signal %d", death);
  CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0, "no_new_privs");
  CHECK(prctl(PR_GET_TIMERSLACK) == slack, "timer slack %d, was %d", prctl(PR_GET_TIMERSLACK),
      slack);
  CHECK(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0, "huge pages disabled");
  CHECK(prctl(PR_GET_KEEPCAPS) == keep, "keepcaps");
  for (int i = 0; i < 4; i++) {
    char line[200];
    status_line(names[i], line);
    CHECK(strcmp(line, lines[i]) == 0, "%s, was %s", line, lines[i]);
  }
  return done();
}
