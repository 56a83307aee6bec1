// Who gets SIGIO (F_SETOWN, F_SETOWN_EX, F_SETSIG), and that it comes.
#include <signal.h>

#include "probe.h"

static volatile int got, from;
static void handler(int s, siginfo_t *info, void *context) { (void)context, got = s,
    from = info->si_fd; }

int main(void) {
  int p[2], q[2];
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
  struct f_owner_ex owner = {F_OWNER_TID, (pid_t)syscall(SYS_gettid)}, after;
  NEED(pipe(p) == 0 && pipe(q) == 0 && sigaction(SIGRTMIN + 1, &a, NULL) == 0);
  NEED(fcntl(p[0], F_SETOWN, getpid()) == 0 && fcntl(p[0], F_SETSIG, SIGRTMIN + 1) == 0 &&
      fcntl(p[0], F_SETFL, O_ASYNC) == 0);
  NEED(fcntl(q[0], F_SETOWN_EX, &owner) == 0);
  save_here();
  CHECK(fcntl(p[0], F_GETOWN) == getpid(), "owner %d, this is %d", fcntl(p[0], F_GETOWN),
      getpid());
  CHECK(fcntl(p[0], F_GETSIG) == SIGRTMIN + 1, "signal %d", fcntl(p[0], F_GETSIG));
  CHECK(fcntl(p[0], F_GETFL) & O_ASYNC, "O_ASYNC is lost");
  CHECK(fcntl(q[0], F_GETOWN_EX, &after) == 0 && after.type == F_OWNER_TID &&
      after.pid == (pid_t)syscall(SYS_gettid), "%d %d", after.type, after.pid);
  NEED(write(p[1], "x", 1) == 1);
  for (double end = now() + 10; !got && now() < end;) probe_nap(1);
  CHECK(got == SIGRTMIN + 1 && from == p[0], "signal %d from %d", got, from);
  return done();
}
