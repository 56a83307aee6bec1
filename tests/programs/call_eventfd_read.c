// A blocking read of an eventfd: a handler fills it, the restarted read returns.
#include <signal.h>
#include <sys/eventfd.h>

#include "call.h"

static int fd;
static void handler(int s) {
  (void)s;
  if (eventfd_write(fd, 42) != 0) _exit(96);
}

int main(void) {
  unsigned long value = 0;
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  NEED((fd = eventfd(0, 0)) >= 0 && sigaction(SIGUSR1, &a, NULL) == 0);
  blocks_in(SYS_read, 50, "wake=sig:10");
  ssize_t n = read(fd, &value, 8);
  CHECK(n == 8 && value == 42, "%zd: %s, %lu", n, strerror(errno), value);
  return done();
}
