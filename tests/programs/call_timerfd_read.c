// A blocking read of a timerfd returns when it expires.
#include "call.h"
#include <sys/timerfd.h>

int main(void) {
  struct itimerspec timer = {{0, 0}, {1, 500000000}};
  unsigned long expirations = 0;
  int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  blocks_in(SYS_read, 500, "");  // before the timer runs: that is when the clock is read
  NEED(fd >= 0 && timerfd_settime(fd, 0, &timer, NULL) == 0);
  ssize_t n = read(fd, &expirations, 8);
  CHECK(n == 8 && expirations == 1, "%zd: %s, %lu times", n, strerror(errno), expirations);
  CHECK_TOOK(1.5, 8);
  return done();
}
