// An interval timer that fires all through saves and restores: a program whose
// handler counts goes on counting.
// run: generations
#include <signal.h>
#include <sys/time.h>

#include "probe.h"

static volatile int fired;
static void handler(int s) { (void)s, fired++; }

int main(void) {
  struct itimerval timer = {{0, 5000}, {0, 5000}}, left;
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  NEED(sigaction(SIGALRM, &a, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
  save_here();
  NEED(getitimer(ITIMER_REAL, &left) == 0);
  CHECK(left.it_interval.tv_usec == 5000, "interval %ld us", left.it_interval.tv_usec);
  int before = fired;
  for (double end = now() + 20; fired < before + 3 && now() < end;) probe_nap(1);
  CHECK(fired >= before + 3, "fired %d times", fired - before);
  return done();
}
