// Clocks: monotonic time goes on without a jump beyond the time not lived, and
// never backwards.
#include "probe.h"

static double clock_now(clockid_t id) {
  struct timespec t;
  NEED(clock_gettime(id, &t) == 0);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void) {
  static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE,
                                     CLOCK_MONOTONIC_RAW, CLOCK_REALTIME};
  double before[5], cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < 5; i++) before[i] = clock_now(clocks[i]);
  save_here();
  for (int i = 0; i < 5; i++) {
    double went = clock_now(clocks[i]) - before[i];
    CHECK(went >= 0 && went < 120, "clock %d went %f s", clocks[i], went);
  }
  CHECK(clock_now(CLOCK_PROCESS_CPUTIME_ID) > 0 && cpu >= 0, "CPU clock");
  return done();
}
