// Scheduling is a thread's own: policy, nice value, affinity, timer slack and
// priority of input and output. (SCHED_IDLE is thr_idle.c.)
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "threads.h"

static int policies[] = {SCHED_OTHER, SCHED_BATCH};

// The i-th processor that may be used, again and again.
static cpu_set_t one_of(const cpu_set_t *allowed, int i) {
  cpu_set_t one;
  CPU_ZERO(&one);
  int want = i % CPU_COUNT(allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, allowed) && want-- == 0) CPU_SET(cpu, &one);
  return one;
}

static cpu_set_t allowed;

static int work(int i) {
  struct sched_param zero = {0}, param;
  cpu_set_t set = one_of(&allowed, i), after;
  pid_t tid = gettid();
  int io = 2 << 13 | (i % 8);
  NEED(sched_setscheduler(tid, policies[i % 2], &zero) == 0);
  NEED(setpriority(PRIO_PROCESS, (id_t)tid, i) == 0);
  if (i) NEED(sched_setaffinity(tid, sizeof set, &set) == 0);
  NEED(prctl(PR_SET_TIMERSLACK, 60000UL + (unsigned long)i) == 0);
  NEED(syscall(SYS_ioprio_set, 1, 0, io) == 0);
  pass_gate(i);
  CHECK(sched_getscheduler(0) == policies[i % 2], "thread %d: policy %d", i, sched_getscheduler(0));
  CHECK(sched_getparam(0, &param) == 0 && param.sched_priority == 0, "thread %d: priority", i);
  errno = 0;
  int nice_value = getpriority(PRIO_PROCESS, 0);
  CHECK(nice_value == i, "thread %d: nice %d", i, nice_value);
  NEED(sched_getaffinity(0, sizeof after, &after) == 0);
  CHECK(CPU_EQUAL(&after, i ? &set : &allowed), "thread %d: affinity, %d processors", i,
        CPU_COUNT(&after));
  CHECK(prctl(PR_GET_TIMERSLACK) == 60000 + i, "thread %d: slack %d", i, prctl(PR_GET_TIMERSLACK));
  CHECK(syscall(SYS_ioprio_get, 1, 0) == io, "thread %d: ioprio %lx", i,
        syscall(SYS_ioprio_get, 1, 0));
  return 1000 + i;
}

int main(void) {
  NEED(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  start(8, work);
  leader_waits();
  CHECK(sched_getscheduler(0) == SCHED_OTHER && getpriority(PRIO_PROCESS, 0) == 0, "the leader's");
  join_all();
  return done();
}
