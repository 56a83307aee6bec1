// A blocking read of a named FIFO with both ends inside.
#include <sys/stat.h>

#include "call.h"

int main(void) {
  char byte = 0;
  NEED(mkfifo("fifo", 0600) == 0);
  int fd = open("fifo", O_RDWR);
  NEED(fd >= 0 && dup2(fd, 9) == 9);
  blocks_in(SYS_read, 50, "wake=fd:9");
  ssize_t n = read(fd, &byte, 1);
  CHECK(n == 1 && byte == 1, "%zd: %s", n, strerror(errno));
  return done();
}
