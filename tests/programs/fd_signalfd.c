// signalfd: its mask, a signal that is waiting in it, one that comes later.
#include <signal.h>
#include <sys/signalfd.h>

#include "probe.h"

int main(void) {
  sigset_t mask;
  struct signalfd_siginfo info;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1), sigaddset(&mask, SIGRTMIN);
  NEED(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
  sigaddset(&mask, SIGTERM);
  int fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  NEED(fd >= 0 && sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 4711}) == 0);
  char path[64], before[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  char *mask_line = strstr(slurp(path), "sigmask");
  NEED(mask_line);
  snprintf(before, sizeof before, "%s", mask_line);
  save_here();
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK, "flags");
  CHECK(read(fd, &info, sizeof info) == sizeof info, "%s", strerror(errno));
  CHECK((int)info.ssi_signo == SIGRTMIN && info.ssi_int == 4711, "signal %u, value %d",
      info.ssi_signo, info.ssi_int);
  CHECK(read(fd, &info, sizeof info) == -1 && errno == EAGAIN, "another signal");
  CHECK(strstr(slurp(path), before), "%s, was %s", slurp(path), before);
  NEED(raise(SIGUSR1) == 0);
  CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1, "%s",
      strerror(errno));
  return done();
}
