// Threads that run when nobody else does (SCHED_IDLE). Killed on a busy machine
// they give their ids back some time after their process was waited for.
#include <sched.h>

#include "threads.h"

static int work(int i) {
  struct sched_param zero = {0};
  NEED(sched_setscheduler(0, SCHED_IDLE, &zero) == 0);
  pass_gate(i);
  CHECK(sched_getscheduler(0) == SCHED_IDLE, "thread %d: policy %d", i, sched_getscheduler(0));
  return 1000 + i;
}

int main(void) {
  start(4, work);
  leader_waits();
  CHECK(sched_getscheduler(0) == SCHED_OTHER, "the leader's policy");
  join_all();
  return done();
}
