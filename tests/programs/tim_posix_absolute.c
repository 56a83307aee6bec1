// POSIX timers armed with an absolute time: monotonic and realtime.
#include <signal.h>

#include "probe.h"

int main(void) {
  static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
  timer_t timers[3];
  struct sigevent e = {.sigev_notify = SIGEV_NONE};
  struct itimerspec at = {0}, left;
  struct timespec t;
  for (int i = 0; i < 3; i++) {
    NEED(clock_gettime(clocks[i], &t) == 0);
    at.it_value = t;
    at.it_value.tv_sec += 1000;
    NEED(timer_create(clocks[i], &e, &timers[i]) == 0);
    NEED(timer_settime(timers[i], TIMER_ABSTIME, &at, NULL) == 0);
  }
  save_here();
  for (int i = 0; i < 3; i++) {
    CHECK(timer_gettime(timers[i], &left) == 0, "timer %d: %s", i, strerror(errno));
    CHECK(left.it_value.tv_sec > 900 && left.it_value.tv_sec <= 1000, "timer %d: %ld s left", i,
          left.it_value.tv_sec);
  }
  return done();
}
