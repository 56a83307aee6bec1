// Attributes of prctl: subreaper, parent-death signal, no_new_privs, timer
// slack, huge pages disabled, keepcaps.
// run: generations
#include <signal.h>
#include <sys/prctl.h>

#include "probe.h"

int main(void) {
  int subreaper = 0, death = 0;
  NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  NEED(prctl(PR_SET_PDEATHSIG, SIGURG) == 0);
  NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  NEED(prctl(PR_SET_TIMERSLACK, 123456) == 0);
  NEED(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
  NEED(prctl(PR_SET_KEEPCAPS, 1) == 0);
  save_here();
  CHECK(prctl(PR_GET_CHILD_SUBREAPER, &subreaper) == 0 && subreaper == 1, "subreaper %d",
      subreaper);
  CHECK(prctl(PR_GET_PDEATHSIG, &death) == 0 && death == SIGURG, "parent-death signal %d", death);
  CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs");
  CHECK(prctl(PR_GET_TIMERSLACK) == 123456, "timer slack %d", prctl(PR_GET_TIMERSLACK));
  CHECK(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1, "huge pages not disabled");
  CHECK(prctl(PR_GET_KEEPCAPS) == 1, "keepcaps");
  return done();
}
