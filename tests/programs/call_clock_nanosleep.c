// clock_nanosleep, relative, with a remainder (libc's own sleep and usleep).
// run: noagent
#include "call.h"

int main(void) {
  struct timespec ask = {3, 0}, rest = {0, 0};
  blocks_in(SYS_clock_nanosleep, 2000, "");
  int result = clock_nanosleep(CLOCK_MONOTONIC, 0, &ask, &rest);
  CHECK(result == 0, "%s", strerror(result));
  CHECK_TOOK(3, 4.5);
  return done();
}
