// A futex wait with a relative timeout returns ETIMEDOUT.
// run: noagent
#include "call.h"
#include <linux/futex.h>

int main(void) {
  static int word = 5;
  struct timespec wait = {1, 500000000};
  blocks_in(SYS_futex, 500, "");
  long n = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, &wait, NULL, 0);
  CHECK(n == -1 && errno == ETIMEDOUT, "%ld: %s", n, strerror(errno));
  CHECK_TOOK(1.5, 8);
  return done();
}
