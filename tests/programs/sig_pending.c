// Standard signals pending while blocked: of the process and of the thread.
// run: generations
#include <signal.h>

#include "probe.h"

static volatile int got[65];
static void handler(int s) { got[s]++; }

int main(void) {
  sigset_t set, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1), sigaddset(&set, SIGTERM), sigaddset(&set, SIGHUP);
  signal(SIGUSR1, handler), signal(SIGTERM, handler), signal(SIGHUP, handler);
  NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  NEED(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0);
  NEED(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGTERM) == 0);
  save_here();
  NEED(sigpending(&pending) == 0);
  CHECK(sigismember(&pending, SIGUSR1), "the process's signal is lost");
  CHECK(sigismember(&pending, SIGTERM), "the thread's signal is lost");
  CHECK(!sigismember(&pending, SIGHUP), "a signal nobody sent");
  const char *status = slurp("/proc/self/status");
  unsigned long thread = strtoul(strstr(status, "SigPnd:") + 7, NULL, 16);
  unsigned long process = strtoul(strstr(status, "ShdPnd:") + 7, NULL, 16);
  CHECK(thread == 1UL << (SIGTERM - 1), "thread's %lx", thread);
  CHECK(process == 1UL << (SIGUSR1 - 1), "process's %lx", process);
  NEED(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
  CHECK(got[SIGUSR1] == 1 && got[SIGTERM] == 1 && got[SIGHUP] == 0, "%d %d %d",
        got[SIGUSR1], got[SIGTERM], got[SIGHUP]);
  return done();
}
