// POSIX timers that belong to threads: SIGEV_THREAD_ID to a thread that is not
// the leader, SIGEV_THREAD (libc's helper thread), and a thread's processor
// time.
// run: each=id,thread,cpu
#include "threads.h"

static __thread int number = -1;
static volatile int fired, elsewhere, value_wrong;

static void handler(int s, siginfo_t *info, void *context) {
  (void)s, (void)context;
  if (number != 3) elsewhere++;
  if (info->si_value.sival_int != 4711) value_wrong++;
  fired++;
}
static void function(union sigval value) {
  if (value.sival_int != 4711) value_wrong++;
  fired++;
}

static timer_t timer;
static void make(const char *how, clockid_t clock) {
  struct sigevent e = {.sigev_signo = SIGUSR1, .sigev_value.sival_int = 4711};
  struct itimerspec fast = {{0, 10000000}, {0, 10000000}};
  e.sigev_notify = SIGEV_THREAD_ID;
  e._sigev_un._tid = gettid();
  if (is(how, "thread")) {
    e.sigev_notify = SIGEV_THREAD;
    e.sigev_notify_function = function;
  }
  NEED(timer_create(clock, &e, &timer) == 0 && timer_settime(timer, 0, &fast, NULL) == 0);
}

static const char *how;
static int work(int i) {
  number = i;
  if (i == 3) make(how, is(how, "cpu") ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC);
  if (i == 3 && is(how, "cpu")) {
    arrive(i);
    while (!__atomic_load_n(&gate, __ATOMIC_ACQUIRE)) {
    }
  }
  pass_gate(i);
  return 1000 + i;
}

int main(int argc, char **argv) {
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_RESTART | SA_SIGINFO};
  struct itimerspec left, off = {0};
  how = argument(argc, argv);
  NEED(sigaction(SIGUSR1, &a, NULL) == 0);
  start(5, work);
  save_here();
  CHECK(timer_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 10000000, "%s, interval %ld",
      strerror(errno), left.it_interval.tv_nsec);
  int before = fired;
  for (double end = now() + 20; fired < before + 3 && now() < end;) probe_nap(1);
  CHECK(fired >= before + 3, "fired %d times", fired - before);
  NEED(timer_settime(timer, 0, &off, NULL) == 0);
  CHECK(elsewhere == 0 && value_wrong == 0, "%d in other threads, %d wrong values", elsewhere,
        value_wrong);
  open_gate();
  join_all();
  CHECK(timer_delete(timer) == 0, "delete");
  return done();
}
