// epoll_wait without a timeout, on a pipe, returns when it is readable.
// run: inline
#include "call.h"
#include <sys/epoll.h>

int main(void) {
  int ends[2];
  NEED(pipe(ends) == 0 && dup2(ends[1], 9) == 9);
  struct epoll_event event = {EPOLLIN, {.u64 = 0x1234567812345678}};
  int set = epoll_create1(0);
  NEED(set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
  memset(&event, 0, sizeof event);
  blocks_in(SYS_epoll_wait, 50, "wake=fd:9");
  int n = epoll_wait(set, &event, 1, -1);
  CHECK(n == 1 && event.events == EPOLLIN, "%d: %s", n, strerror(errno));
  CHECK(event.data.u64 == 0x1234567812345678, "data %lx", event.data.u64);
  return done();
}
