// A POSIX timer that signals a thread (SIGEV_THREAD_ID), although the thread
// has another id after the restore.
#include <signal.h>

#include "probe.h"

static volatile int fired;
static void handler(int s) { (void)s, fired++; }

int main(void) {
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
  struct itimerspec fast = {{0, 10000000}, {0, 10000000}};
  timer_t timer;
  e._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  NEED(sigaction(SIGUSR1, &a, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &e, &timer) == 0);
  NEED(timer_settime(timer, 0, &fast, NULL) == 0);
  save_here();
  int before = fired;
  for (double end = now() + 20; fired < before + 3 && now() < end;) probe_nap(1);
  CHECK(fired >= before + 3, "fired %d times", fired - before);
  return done();
}
