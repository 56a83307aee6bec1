// clock_nanosleep on the real-time clock, relative and then absolute.
// run: noagent
#include "call.h"

int main(void) {
  struct timespec ask = {2, 0}, until;
  blocks_in(SYS_clock_nanosleep, 1000, "");
  int result = clock_nanosleep(CLOCK_REALTIME, 0, &ask, NULL);
  CHECK(result == 0, "%s", strerror(result));
  CHECK_TOOK(2, 8);
  clock_gettime(CLOCK_REALTIME, &until);
  CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0, "absolute");
  return done();
}
