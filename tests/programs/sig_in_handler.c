// A save inside two nested handlers that interrupted floating-point work: both
// return, the mask and the work are as before.
#include <math.h>
#include <signal.h>

#include "probe.h"

static volatile int depth;

static void inner(int s) {
  (void)s;
  depth = 2;
  save_here();
}

static void outer(int s) {
  (void)s;
  depth = 1;
  raise(SIGALRM);
  CHECK(depth == 2, "the inner handler did not run");
}

int main(void) {
  struct sigaction a = {.sa_handler = inner};
  sigset_t before = {0}, after = {0};  // libc writes the kernel's eight bytes only
  NEED(sigaction(SIGALRM, &a, NULL) == 0);
  a.sa_handler = outer;
  sigaddset(&a.sa_mask, SIGTERM);
  NEED(sigaction(SIGUSR1, &a, NULL) == 0 && sigprocmask(SIG_BLOCK, NULL, &before) == 0);
  double sum = 0, expected = 0;
  for (int i = 1; i < 1000; i++) expected += 1.0 / i;
  for (int i = 1; i < 1000; i++) {
    sum += 1.0 / i;
    if (i == 500) raise(SIGUSR1);
  }
  CHECK(sum == expected, "%a, not %a", sum, expected);
  NEED(sigprocmask(SIG_BLOCK, NULL, &after) == 0);
  CHECK(!memcmp(&before, &after, sizeof before), "the mask changed");
  return done();
}
