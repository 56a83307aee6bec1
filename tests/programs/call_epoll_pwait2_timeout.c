// epoll_pwait2 runs into its timeout.
// run: noagent
#include "call.h"
#include <sys/epoll.h>

int main(void) {
  struct epoll_event event;
  struct timespec wait = {1, 500000000};
  int set = epoll_create1(0);
  NEED(set >= 0);
  blocks_in(SYS_epoll_pwait2, 500, "");
  long n = syscall(SYS_epoll_pwait2, set, &event, 1, &wait, NULL, 8);
  CHECK(n == 0, "%ld: %s", n, strerror(errno));
  CHECK_TOOK(1.5, 8);
  return done();
}
