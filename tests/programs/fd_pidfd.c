// A pidfd of the program itself: it still is, and can be waited for.
// run: generations
#include <poll.h>
#include <signal.h>

#include "probe.h"

static volatile sig_atomic_t got;

static void handler(int sig) { got = sig; }

int main(void) {
  signal(SIGUSR1, handler);
  int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  if (fd < 0 && errno == ENOSYS) SKIP("no pidfd_open");
  NEED(fd >= 0 && fcntl(fd, F_SETFD, 0) == 0);
  save_here();
  CHECK(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0) == 0 && got == SIGUSR1, "signal: %s", strerror(errno));
  struct pollfd p = {fd, POLLIN, 0};
  CHECK(poll(&p, 1, 0) == 0, "events %x", p.revents);
  CHECK(fcntl(fd, F_GETFD) == 0, "close-on-exec");
  return done();
}
