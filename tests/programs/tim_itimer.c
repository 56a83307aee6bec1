// setitimer: time left and interval; it goes on firing.
// run: each=real,virtual,prof
#include <signal.h>
#include <sys/time.h>

#include "probe.h"

static const struct {
  const char *name;
  int which, sig;
} kinds[] = {
    {"real", ITIMER_REAL, SIGALRM},
    {"virtual", ITIMER_VIRTUAL, SIGVTALRM},
    {"prof", ITIMER_PROF, SIGPROF},
};

static volatile int fired;
static void handler(int s) { (void)s, fired++; }

int main(int argc, char **argv) {
  struct itimerval timer = {{0, 20000}, {500, 0}}, left;
  struct itimerval soon = {{0, 20000}, {0, 20000}};
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  int kind = 0;
  while (kind < 2 && argc > 1 && strcmp(argv[1], kinds[kind].name) != 0) kind++;
  int which = kinds[kind].which;
  NEED(sigaction(kinds[kind].sig, &a, NULL) == 0 && setitimer(which, &timer, NULL) == 0);
  save_here();
  NEED(getitimer(which, &left) == 0);
  CHECK(left.it_interval.tv_usec == 20000, "interval %ld us", left.it_interval.tv_usec);
  CHECK(left.it_value.tv_sec > 400 && left.it_value.tv_sec <= 500, "%ld s left",
      left.it_value.tv_sec);
  CHECK(fired == 0, "fired too early");
  NEED(setitimer(which, &soon, NULL) == 0);
  for (double end = now() + 20; fired < 3 && now() < end;) {
  }
  CHECK(fired >= 3, "fired %d times", fired);
  return done();
}
