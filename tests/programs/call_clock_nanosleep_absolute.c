// clock_nanosleep to an absolute time: wakes then, no matter what came between.
// run: inline
#include "call.h"

int main(void) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += 3;
  blocks_in(SYS_clock_nanosleep, 500, "");
  int result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
  double late = now() - ((double)until.tv_sec + (double)until.tv_nsec / 1e9);
  CHECK(result == 0, "%s", strerror(result));
  CHECK(late >= 0 && late < 2 + downtime(), "%f s late", late);
  return done();
}
