// Calls the functions of the vDSO all the time, and checks every result by the
// one before. Most saves hit it inside of the vDSO. With an argument it calls
// only those that find out in the middle that the kernel's data have changed.
#include <sched.h>
#include <sys/time.h>

#include "../programs/probe.h"

static double seconds(struct timespec t) { return (double)t.tv_sec + (double)t.tv_nsec / 1e9; }

int main(int argc, char **argv UNUSED) {
  static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
                                     CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE};
  enum { COUNT = sizeof clocks / sizeof *clocks };
  const int all = argc == 1, count = all ? COUNT : 3;
  struct timespec t, resolution[COUNT];
  struct timeval tv;
  double last[COUNT], lastDay, lastTime;
  for (int i = 0; i < COUNT; i++) {
    NEED(clock_gettime(clocks[i], &t) == 0 && clock_getres(clocks[i], &resolution[i]) == 0);
    last[i] = seconds(t);
  }
  lastDay = last[0];
  lastTime = (double)time(NULL);
  probe_say("ready");
  for (int n = 0; n % 256 || access("go", F_OK) != 0; n++) {
    for (int i = 0; i < count; i++) {
      CHECK(clock_gettime(clocks[i], &t) == 0, "clock %d", clocks[i]);
      double is = seconds(t);
      CHECK(is >= last[i] && is < last[i] + 120, "clock %d: %f after %f", clocks[i], is, last[i]);
      last[i] = is;
      if (!all) continue;
      CHECK(clock_getres(clocks[i], &t) == 0 && seconds(t) == seconds(resolution[i]), "resolution of clock %d: %f", clocks[i], seconds(t));
    }
    CHECK(gettimeofday(&tv, NULL) == 0, "gettimeofday");
    double day = (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
    CHECK(day >= lastDay && day < lastDay + 120, "gettimeofday: %f after %f", day, lastDay);
    lastDay = day;
    if (!all) continue;
    double is = (double)time(NULL);
    CHECK(is >= lastTime && is < lastTime + 120, "time: %f after %f", is, lastTime);
    lastTime = is;
    CHECK(sched_getcpu() >= 0, "getcpu");
    if (probe_failures > 20) break;
  }
  for (int i = 0; i < COUNT; i++) {
    struct timespec direct;
    CHECK(clock_gettime(clocks[i], &t) == 0 && syscall(SYS_clock_gettime, clocks[i], &direct) == 0, "clock %d", clocks[i]);
    double ahead = seconds(direct) - seconds(t);
    CHECK(ahead > -0.02 && ahead < 5, "clock %d: vDSO and kernel differ by %f s", clocks[i], ahead);
  }
  return done();
}
