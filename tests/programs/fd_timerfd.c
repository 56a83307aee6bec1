// timerfd: clocks, time left, interval, expirations not read yet, absolute ones.
// run: generations
#include <sys/timerfd.h>

#include "probe.h"

static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};

int main(void) {
  int relative[3], absolute[3], expired = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK),
      off = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct itimerspec slow = {{7, 5}, {1000, 0}}, soon = {{0, 0}, {0, 1}}, left;
  unsigned long times = 0;
  for (int i = 0; i < 3; i++) {
    struct itimerspec at = {{0, 0}, {0, 0}};
    NEED((relative[i] = timerfd_create(clocks[i], 0)) >= 0 &&
        (absolute[i] = timerfd_create(clocks[i], 0)) >= 0);
    NEED(timerfd_settime(relative[i], 0, &slow, NULL) == 0 &&
        clock_gettime(clocks[i], &at.it_value) == 0);
    at.it_value.tv_sec += 1000;
    NEED(timerfd_settime(absolute[i], TFD_TIMER_ABSTIME, &at, NULL) == 0);
  }
  NEED(timerfd_settime(expired, 0, &soon, NULL) == 0);
  probe_nap(5);
  save_here();
  for (int i = 0; i < 3; i++) {
    CHECK(timerfd_gettime(relative[i], &left) == 0 && left.it_interval.tv_sec == 7 &&
        left.it_interval.tv_nsec == 5, "interval %ld", left.it_interval.tv_sec);
    CHECK(left.it_value.tv_sec > 900 && left.it_value.tv_sec <= 1000, "clock %d: %ld s left",
        clocks[i], left.it_value.tv_sec);
    CHECK(timerfd_gettime(absolute[i], &left) == 0 && left.it_value.tv_sec > 900 &&
        left.it_value.tv_sec <= 1000, "clock %d, absolute: %ld s left", clocks[i],
        left.it_value.tv_sec);
  }
  CHECK(read(expired, &times, 8) == 8 && times == 1, "%lu expirations: %s", times,
      strerror(errno));
  CHECK(read(expired, &times, 8) == -1 && errno == EAGAIN, "expired twice");
  CHECK(timerfd_gettime(off, &left) == 0 && left.it_value.tv_sec == 0 &&
      left.it_value.tv_nsec == 0, "disarmed one");
  NEED(timerfd_settime(off, 0, &soon, NULL) == 0);
  probe_nap(5);
  CHECK(read(off, &times, 8) == 8, "%s", strerror(errno));
  return done();
}
