// POSIX timers: ids (with a gap), clocks, notification, time left, interval,
// values; they go on firing.
// run: generations
#include <signal.h>

#include "probe.h"

static volatile int fired, value_wrong;
static void handler(int s, siginfo_t *info, void *context) {
  (void)s, (void)context;
  fired++;
  if (info->si_value.sival_int != 4711 || info->si_code != SI_TIMER) value_wrong++;
}

// The kernel's ids; libc's are the same numbers only by chance.
static int create(clockid_t clock, int notify, int sig, int value) {
  struct sigevent e = {.sigev_notify = notify, .sigev_signo = sig};
  int id = -1;
  e.sigev_value.sival_int = value;
  NEED(syscall(SYS_timer_create, clock, &e, &id) == 0);
  return id;
}

int main(void) {
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
  struct itimerspec slow = {{7, 1000}, {1000, 5}}, fast = {{0, 5000000}, {0, 5000000}}, left,
      off = {0};
  NEED(sigaction(SIGRTMIN, &a, NULL) == 0);
  int none = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
  int gap = create(CLOCK_REALTIME, SIGEV_NONE, 0, 0);
  int ticks = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 4711);
  int disarmed = create(CLOCK_BOOTTIME, SIGEV_SIGNAL, SIGTERM, 1);
  int cpu = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGTERM, 1);
  NEED(syscall(SYS_timer_delete, gap) == 0);
  NEED(syscall(SYS_timer_settime, none, 0, &slow, NULL) == 0);
  NEED(syscall(SYS_timer_settime, cpu, 0, &slow, NULL) == 0);
  NEED(syscall(SYS_timer_settime, ticks, 0, &fast, NULL) == 0);
  save_here();
  int timers[] = {none, cpu};
  for (int i = 0; i < 2; i++) {
    CHECK(syscall(SYS_timer_gettime, timers[i], &left) == 0, "timer %d: %s", timers[i],
        strerror(errno));
    CHECK(left.it_interval.tv_sec == 7 && left.it_interval.tv_nsec == 1000, "interval %ld",
        left.it_interval.tv_sec);
    CHECK(left.it_value.tv_sec > 900 && left.it_value.tv_sec <= 1000, "%ld s left",
        left.it_value.tv_sec);
  }
  CHECK(syscall(SYS_timer_gettime, gap, &left) == -1, "a deleted timer is back");
  CHECK(syscall(SYS_timer_gettime, disarmed, &left) == 0 && left.it_value.tv_sec == 0,
      "disarmed timer");
  int before = fired;
  for (double end = now() + 20; fired < before + 3 && now() < end;) probe_nap(1);
  CHECK(fired >= before + 3, "fired %d times", fired - before);
  CHECK(value_wrong == 0, "%d wrong values", value_wrong);
  NEED(syscall(SYS_timer_settime, ticks, 0, &off, NULL) == 0);
  return done();
}
