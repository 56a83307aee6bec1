// A blocking read of an empty pipe returns what is written later.
#include "call.h"

int main(void) {
  int ends[2];
  NEED(pipe(ends) == 0 && dup2(ends[1], 9) == 9);
  char byte = 0;
  blocks_in(SYS_read, 50, "wake=fd:9");
  ssize_t n = read(ends[0], &byte, 1);
  CHECK(n == 1 && byte == 1, "%zd: %s", n, strerror(errno));
  return done();
}
