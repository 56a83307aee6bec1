// poll without a timeout, on a pipe, returns when it is readable.
// run: inline
#include "call.h"
#include <poll.h>

int main(void) {
  int ends[2];
  NEED(pipe(ends) == 0 && dup2(ends[1], 9) == 9);
  struct pollfd fds[] = {{ends[0], POLLIN, 0}};
  blocks_in(SYS_poll, 50, "wake=fd:9");
  int n = poll(fds, 1, -1);
  CHECK(n == 1 && fds[0].revents == POLLIN, "%d: %s, %x", n, strerror(errno), fds[0].revents);
  return done();
}
