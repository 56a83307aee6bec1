// select runs into its timeout: returns 0, no EINTR, sets cleared.
// run: inline
#include "call.h"
#include <sys/select.h>

int main(void) {
  int ends[2];
  NEED(pipe(ends) == 0);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  struct timeval wait = {1, 500000};
  blocks_in(SYS_pselect6, 500, "");
  int n = select(ends[0] + 1, &set, NULL, NULL, &wait);
  CHECK(n == 0, "%d: %s", n, strerror(errno));
  CHECK(!FD_ISSET(ends[0], &set), "set is not cleared");
  CHECK_TOOK(1.5, 8);
  return done();
}
