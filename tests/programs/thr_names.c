// The names of threads, as they and as others see them.
#include <sys/prctl.h>

#include "threads.h"

static int work(int i) {
  char name[17], now_it_is[17] = "";
  snprintf(name, sizeof name, "w%d %.*s)", i, i, "(abcdefghij");
  if (i % 2)
    prctl(PR_SET_NAME, name);
  else
    NEED(pthread_setname_np(pthread_self(), name) == 0);
  pass_gate(i);
  prctl(PR_GET_NAME, now_it_is);
  CHECK(is(name, now_it_is), "thread %d is \"%s\", was \"%s\"", i, now_it_is, name);
  return 1000 + i;
}

int main(void) {
  char before[8][32];
  prctl(PR_SET_NAME, "the leader");
  start(8, work);
  for (int i = 0; i < 8; i++) snprintf(before[i], 32, "%s", task_file(tids[i], "comm"));
  save_here();
  for (int i = 0; i < 8; i++) {
    char *comm = task_file(tid_of(i), "comm");
    CHECK(is(before[i], comm), "%d: %s, was %s", i, comm, before[i]);
  }
  CHECK(is(slurp("/proc/self/comm"), "the leader\n"), "leader %s", slurp("/proc/self/comm"));
  open_gate();
  join_all();
  return done();
}
