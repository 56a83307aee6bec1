// All resource limits: soft and hard ones.
// run: generations
#include <sys/resource.h>

#include "probe.h"

int main(void) {
  struct rlimit before[RLIM_NLIMITS], after;
  static const struct { int which; rlim_t soft, hard; } set[] = {
      {RLIMIT_NOFILE, 123, 456},      {RLIMIT_CORE, 4096, 1 << 20},
      {RLIMIT_STACK, 3 << 20, 9 << 20}, {RLIMIT_CPU, 1000, 2000},
      {RLIMIT_FSIZE, 1UL << 40, 1UL << 41}, {RLIMIT_DATA, 1UL << 33, 1UL << 34},
      {RLIMIT_MSGQUEUE, 1000, 2000},
  };
  for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
    struct rlimit r = {set[i].soft, set[i].hard}, old;
    NEED(getrlimit((unsigned)set[i].which, &old) == 0);
    if (r.rlim_max > old.rlim_max) r = (struct rlimit){old.rlim_max / 2, old.rlim_max};
    NEED(setrlimit((unsigned)set[i].which, &r) == 0);
  }
  for (unsigned i = 0; i < RLIM_NLIMITS; i++) NEED(getrlimit(i, &before[i]) == 0);
  save_here();
  for (unsigned i = 0; i < RLIM_NLIMITS; i++) {
    NEED(getrlimit(i, &after) == 0);
    CHECK(!memcmp(&before[i], &after, sizeof after), "limit %u: %lu %lu, was %lu %lu", i,
        after.rlim_cur,
          after.rlim_max, before[i].rlim_cur, before[i].rlim_max);
  }
  return done();
}
