// nanosleep with a remainder pointer: sleeps exactly the time that was left.
// run: noagent
#include "call.h"

int main(void) {
  struct timespec ask = {3, 0}, rest = {77, 88};
  blocks_in(SYS_nanosleep, 2000, "");
  long result = syscall(SYS_nanosleep, &ask, &rest);
  CHECK(result == 0, "%s", strerror(errno));
  CHECK_TOOK(3, 4.5);
  CHECK(ask.tv_sec == 3 && ask.tv_nsec == 0, "the request was overwritten");
  return done();
}
