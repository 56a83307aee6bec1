// No descriptor at all is open, not even 0, 1 and 2.
// run: generations
#define PROBE_OUT "out"
#include "probe.h"

int main(void) {
  NEED(syscall(SYS_close_range, 0, ~0u, 0) == 0);
  save_here();
  for (int fd = 0; fd < 100; fd++) CHECK(fcntl(fd, F_GETFD) == -1, "descriptor %d is open", fd);
  int fd = open("/dev/null", O_RDONLY);
  CHECK(fd == 0, "the next descriptor is %d", fd);
  return done();
}
