// High descriptor numbers, far apart.
#include <sys/resource.h>

#include "probe.h"

int main(void) {
  struct rlimit r;
  NEED(getrlimit(RLIMIT_NOFILE, &r) == 0);
  if (r.rlim_max < 1024) SKIP("fewer than 1024 descriptors");
  int top = r.rlim_max > 4096 ? 4095 : (int)r.rlim_max - 1, p[2];
  r.rlim_cur = (rlim_t)top + 1;
  NEED(setrlimit(RLIMIT_NOFILE, &r) == 0 && pipe(p) == 0);
  int numbers[] = {100, 255, 256, 1000, top};
  for (int i = 0; i < 5; i++) NEED(dup2(p[i % 2], numbers[i]) == numbers[i]);
  NEED(write(255, "x", 1) == 1);
  save_here();
  char byte = 0;
  CHECK(read(top, &byte, 1) == 1 && byte == 'x', "%s", strerror(errno));
  CHECK(write(1000, "y", 1) == 1 && read(100, &byte, 1) == 1 && byte == 'y', "%s",
      strerror(errno));
  CHECK(fcntl(101, F_GETFD) == -1 && fcntl(top - 1, F_GETFD) == -1, "a descriptor nobody opened");
  return done();
}
