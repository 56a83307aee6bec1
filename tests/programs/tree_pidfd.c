// Descriptors of processes: of a child that runs, of one that has ended, of the
// own parent; they can be waited for, and signalled through.
#include <poll.h>

#include "tree.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static volatile int got;
static void handler(int s) { got = s; }

static int of(pid_t pid) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  NEED(fd >= 0);
  return fd;
}

static int readable(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  NEED(poll(&p, 1, 0) >= 0);
  return !!(p.revents & POLLIN);
}

static int signal_through(int fd, int sig) { return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0); }

static void work(int i) {
  int parent = of(getppid());
  signal(SIGUSR1, handler);
  did("child");
  wait_go();
  CHECK(!readable(parent) && signal_through(parent, 0) == 0, "the parent's: %s", strerror(errno));
  for (double end = now() + 20; !got && now() < end;) probe_nap(1);
  CHECK(got == SIGUSR1, "no signal");
  _exit(probe_failures ? 1 : i);
}
static void at_once(int i) { _exit(i); }

int main(void) {
  pid_t pids[2] = {child(work, 9), child(at_once, 8)};
  int fds[2] = {of(pids[0]), of(pids[1])};
  char want[32];
  await_did("child");
  await_state(pids[1], 'Z');
  save_here();
  for (int i = 0; i < 2; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fds[i]);
    snprintf(want, sizeof want, "Pid:\t%d\n", pids[i]);
    CHECK(strstr(slurp(path), want), "not of %d:\n%s", pids[i], slurp(path));
  }
  CHECK(!readable(fds[0]) && readable(fds[1]), "readable: %d %d", readable(fds[0]), readable(fds[1]));
  siginfo_t info = {0};
  CHECK(waitid(P_PIDFD, (id_t)fds[1], &info, WEXITED) == 0 && info.si_status == 8, "%s, status %d",
        strerror(errno), info.si_status);
  CHECK(signal_through(fds[0], SIGUSR1) == 0, "signal: %s", strerror(errno));
  struct pollfd p = {.fd = fds[0], .events = POLLIN};
  CHECK(poll(&p, 1, 20000) == 1, "its end is not seen");
  CHECK(waitid(P_PIDFD, (id_t)fds[0], &info, WEXITED) == 0 && info.si_status == 9, "%s, status %d",
        strerror(errno), info.si_status);
  return done();
}
