// A blocking readv into two buffers.
#include "call.h"
#include <sys/uio.h>

int main(void) {
  int ends[2];
  NEED(pipe(ends) == 0 && dup2(ends[1], 9) == 9);
  char a[2] = {0}, b[2] = {0};
  struct iovec parts[] = {{a, 1}, {b, 1}};
  blocks_in(SYS_readv, 50, "wake=fd:9");
  ssize_t n = readv(ends[0], parts, 2);
  CHECK(n == 1 && a[0] == 1, "%zd: %s", n, strerror(errno));
  return done();
}
