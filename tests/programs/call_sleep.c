// sleep sleeps to its end.
// run: inline
#include "call.h"

int main(void) {
  blocks_in(SYS_clock_nanosleep, 500, "");
  unsigned left = sleep(2);
  CHECK(left == 0, "%u s are left", left);
  CHECK_TOOK(2, 8);
  return done();
}
