// select without a timeout, on a pipe, returns when it is readable.
// run: inline
#include "call.h"
#include <sys/select.h>

int main(void) {
  int ends[2];
  NEED(pipe(ends) == 0 && dup2(ends[1], 9) == 9);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  blocks_in(SYS_pselect6, 50, "wake=fd:9");
  int n = select(ends[0] + 1, &set, NULL, NULL, NULL);
  CHECK(n == 1 && FD_ISSET(ends[0], &set), "%d: %s", n, strerror(errno));
  return done();
}
