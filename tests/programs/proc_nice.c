// Niceness, scheduling policy, CPU affinity and I/O priority.
#include <sched.h>
#include <sys/resource.h>

#include "probe.h"

int main(void) {
  cpu_set_t cpus, after;
  NEED(setpriority(PRIO_PROCESS, 0, 7) == 0);
  NEED(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}) == 0);
  NEED(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6) == 0);
  NEED(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
  for (int cpu = 0, kept = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &cpus) && kept++) CPU_CLR(cpu, &cpus);
  NEED(sched_setaffinity(0, sizeof cpus, &cpus) == 0);
  save_here();
  CHECK(getpriority(PRIO_PROCESS, 0) == 7, "nice %d", getpriority(PRIO_PROCESS, 0));
  CHECK(sched_getscheduler(0) == SCHED_BATCH, "policy %d", sched_getscheduler(0));
  CHECK(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6), "ioprio %lx",
      syscall(SYS_ioprio_get, 1, 0));
  NEED(sched_getaffinity(0, sizeof after, &after) == 0);
  CHECK(CPU_EQUAL(&cpus, &after), "affinity");
  return done();
}
