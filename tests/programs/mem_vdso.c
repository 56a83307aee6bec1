// vDSO calls by pointers that were looked up before the save.
// run: static nopie
#include <dlfcn.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>

#include "maps.h"

int main(void) {
  struct timespec a, b;
  struct timeval tv;
  unsigned long vdso = getauxval(AT_SYSINFO_EHDR);
  NEED(vdso && clock_gettime(CLOCK_MONOTONIC, &a) == 0);
  save_here();
  CHECK(getauxval(AT_SYSINFO_EHDR) == vdso, "auxv changed");
  CHECK(!memcmp((void *)vdso, "\177ELF", 4), "the vDSO is not where it was");
  CHECK(strstr(vma_line((void *)vdso, ""), "[vdso]"), "%s", vma_line((void *)vdso, ""));
  static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC,
                                     CLOCK_BOOTTIME, CLOCK_TAI,
                                     CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_RAW};
  for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
    CHECK(clock_gettime(clocks[i], &a) == 0, "clock %d", clocks[i]);
    CHECK(syscall(SYS_clock_gettime, clocks[i], &b) == 0, "clock %d", clocks[i]);
    double ahead = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    CHECK(ahead > -0.02 && ahead < 5, "clock %d: vDSO and kernel differ by %f s", clocks[i],
        ahead);
  }
  CHECK(gettimeofday(&tv, NULL) == 0 && labs(tv.tv_sec - time(NULL)) <= 5, "gettimeofday");
  CHECK(sched_getcpu() >= 0, "getcpu");
  return done();
}
