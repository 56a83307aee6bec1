// Threads that sleep, each for another time, relative and absolute: none wakes
// too early, and none sleeps its whole time anew.
#include "threads.h"

static double begin, woke[8];

static int work(int i) {
  struct timespec t = {1 + i / 4, 100000000L * (i % 4)}, at;
  arrive(i);
  int error;
  if (i % 2 == 0) {
    error = nanosleep(&t, NULL) ? errno : 0;
  } else {
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += t.tv_sec;
    at.tv_nsec += t.tv_nsec;
    if (at.tv_nsec >= 1000000000) at.tv_sec++, at.tv_nsec -= 1000000000;
    error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
  }
  woke[i] = now();
  CHECK(error == 0, "thread %d: %s", i, strerror(error));
  return 1000 + i;
}

int main(void) {
  begin = now();
  start(8, work);
  double begun = now();
  save_here();
  join_all();
  for (int i = 0; i < 8; i++) {
    double asked = 1 + i / 4 + 0.1 * (i % 4);
    CHECK(woke[i] - begin >= asked - 0.002, "thread %d: %.3f s, asked for %.3f", i, woke[i] - begin,
          asked);
    CHECK(woke[i] - begun - downtime() <= asked + 0.8, "thread %d: lived %.3f s in %.3f", i,
          woke[i] - begun - downtime(), asked);
  }
  return done();
}
