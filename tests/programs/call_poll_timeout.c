// poll runs into its timeout: returns 0, no EINTR, revents cleared.
// run: noagent
#include "call.h"
#include <poll.h>

int main(void) {
  int ends[2];
  NEED(pipe(ends) == 0);
  struct pollfd fds[] = {{ends[0], POLLIN, 99}, {-1, POLLIN, 99}};
  blocks_in(SYS_poll, 500, "");
  int n = poll(fds, 2, 1500);
  CHECK(n == 0, "%d: %s", n, strerror(errno));
  CHECK(fds[0].revents == 0 && fds[1].revents == 0, "%x %x", fds[0].revents, fds[1].revents);
  CHECK_TOOK(1.5, 8);
  return done();
}
