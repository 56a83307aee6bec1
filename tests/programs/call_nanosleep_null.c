// nanosleep without a remainder pointer: at least what was asked for.
// run: noagent
#include "call.h"

int main(void) {
  struct timespec ask = {2, 0};
  blocks_in(SYS_nanosleep, 500, "");
  long result = syscall(SYS_nanosleep, &ask, NULL);
  CHECK(result == 0, "%s", strerror(errno));
  CHECK_TOOK(2, 8);
  return done();
}
