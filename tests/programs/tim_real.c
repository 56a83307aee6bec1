// setitimer(ITIMER_REAL): time left and interval; it goes on firing.
#include <signal.h>
#include <sys/time.h>

#include "probe.h"

static volatile int fired;
static void handler(int s) { (void)s, fired++; }

int main(void) {
  struct itimerval timer = {{0, 20000}, {500, 0}}, left;
  struct itimerval soon = {{0, 20000}, {0, 20000}};
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  NEED(sigaction(SIGALRM, &a, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
  save_here();
  NEED(getitimer(ITIMER_REAL, &left) == 0);
  CHECK(left.it_interval.tv_usec == 20000, "interval %ld us", left.it_interval.tv_usec);
  CHECK(left.it_value.tv_sec > 400 && left.it_value.tv_sec <= 500, "%ld s left",
      left.it_value.tv_sec);
  CHECK(fired == 0, "fired too early");
  NEED(setitimer(ITIMER_REAL, &soon, NULL) == 0);
  for (double end = now() + 20; fired < 3 && now() < end;) {
  }
  CHECK(fired >= 3, "fired %d times", fired);
  return done();
}
