// alarm: the seconds left are the seconds left, and it rings.
#include <signal.h>

#include "probe.h"

static volatile int rang;
static void handler(int s) { (void)s, rang++; }

int main(void) {
  signal(SIGALRM, handler);
  alarm(300);
  save_here();
  unsigned left = alarm(1);
  CHECK(left > 240 && left <= 300, "%u s left", left);
  for (double end = now() + 20; !rang && now() < end;) probe_nap(10);
  CHECK(rang == 1, "it rang %d times", rang);
  return done();
}
