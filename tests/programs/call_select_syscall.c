// The select system call itself, which updates its timeout.
// run: noagent
#include "call.h"
#include <sys/select.h>

int main(void) {
  struct timeval wait = {1, 500000};
  blocks_in(SYS_select, 500, "");
  long n = syscall(SYS_select, 0, NULL, NULL, NULL, &wait);
  CHECK(n == 0, "%ld: %s", n, strerror(errno));
  CHECK_TOOK(1.5, 8);
  return done();
}
