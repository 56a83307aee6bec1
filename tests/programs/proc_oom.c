// oom_score_adj.
#include "probe.h"

int main(void) {
  int fd = open("/proc/self/oom_score_adj", O_RDWR);
  NEED(fd >= 0 && write(fd, "543", 3) == 3 && close(fd) == 0);
  save_here();
  CHECK(atoi(slurp("/proc/self/oom_score_adj")) == 543, "%s", slurp("/proc/self/oom_score_adj"));
  return done();
}
