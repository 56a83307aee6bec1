// epoll_wait runs into its timeout: returns 0, no EINTR.
// run: noagent
#include "call.h"
#include <sys/epoll.h>

int main(void) {
  struct epoll_event event;
  int set = epoll_create1(0);
  NEED(set >= 0);
  blocks_in(SYS_epoll_wait, 500, "");
  int n = epoll_wait(set, &event, 1, 1500);
  CHECK(n == 0, "%d: %s", n, strerror(errno));
  CHECK_TOOK(1.5, 8);
  return done();
}
