// A futex wait until an absolute time (condition variables): ETIMEDOUT then.
// run: noagent
#include <linux/futex.h>

#include "call.h"

int main(void) {
  static int word = 5;
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += 2;
  blocks_in(SYS_futex, 500, "");
  long n = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 5, &until, NULL, ~0u);
  CHECK(n == -1 && errno == ETIMEDOUT, "%ld: %s", n, strerror(errno));
  CHECK_TOOK(1.9, 5);
  return done();
}
