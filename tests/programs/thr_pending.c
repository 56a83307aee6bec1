// Signals pending to one thread, with their values and their order, beside
// those pending to the process.
#include "threads.h"

static pid_t pid;

static void queue(pthread_t thread, int sig, int value) {
  union sigval v = {.sival_int = value};
  NEED(pthread_sigqueue(thread, sig, v) == 0);
}

// take expects one signal with a value in this thread, without waiting.
static void take(int i, int sig, int value) {
  sigset_t set;
  siginfo_t info;
  struct timespec zero = {0, 0};
  sigemptyset(&set);
  sigaddset(&set, sig);
  int got = sigtimedwait(&set, &info, &zero);
  CHECK(got == sig, "thread %d: %d instead of signal %d", i, got, sig);
  CHECK(got != sig || info.si_value.sival_int == value, "thread %d: signal %d, value %d, not %d",
        i, sig, info.si_value.sival_int, value);
  CHECK(got != sig || info.si_pid == pid, "from %d", info.si_pid);
}

static int work(int i) {
  pass_gate(i);
  take(i, SIGRTMIN + 1, 100 + i);
  take(i, SIGRTMIN + 1, 200 + i);
  take(i, SIGRTMIN + 2 + i, 300 + i);
  sigset_t left;
  NEED(sigpending(&left) == 0);
  CHECK(!sigismember(&left, SIGRTMIN + 1), "thread %d: one too many", i);
  CHECK(sigismember(&left, SIGHUP) == (i == 3), "thread %d: SIGHUP", i);
  return 1000 + i;
}

int main(void) {
  sigset_t all;
  union sigval v = {.sival_int = 4711};
  siginfo_t info;
  pid = getpid();
  sigfillset(&all);
  sigdelset(&all, SIGUSR2);  // the library's
  NEED(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
  start(8, work);
  for (int i = 7; i >= 0; i--) queue(threads[i], SIGRTMIN + 1, 100 + i);
  for (int i = 0; i < 8; i++) {
    queue(threads[i], SIGRTMIN + 2 + i, 300 + i);
    queue(threads[i], SIGRTMIN + 1, 200 + i);
  }
  NEED(pthread_kill(threads[3], SIGHUP) == 0);
  NEED(sigqueue(getpid(), SIGRTMIN + 15, v) == 0 && raise(SIGINT) == 0);
  save_here();
  unsigned long shared = task_value(gettid(), "ShdPnd:", 16);
  CHECK(shared == 1UL << (SIGRTMIN + 14), "pending to the process: %lx", shared);
  unsigned long own = task_value(gettid(), "SigPnd:", 16);
  CHECK(own == 1UL << (SIGINT - 1), "pending to the leader: %lx", own);
  for (int i = 0; i < 8; i++) {
    unsigned long want = 1UL << SIGRTMIN | 1UL << (SIGRTMIN + 1 + i) | (i == 3);
    unsigned long seen = task_value(tid_of(i), "SigPnd:", 16);
    CHECK(seen == want, "pending to %d: %lx, was %lx", i, seen, want);
  }
  // Not by libc, which makes SI_USER of SI_TKILL.
  long got = syscall(SYS_rt_sigtimedwait, &all, &info, NULL, 8);
  CHECK(got == SIGINT && info.si_code == SI_TKILL, "%ld %d", got, info.si_code);
  CHECK(sigwaitinfo(&all, &info) == SIGRTMIN + 15 && info.si_value.sival_int == 4711, "%d, %d",
        info.si_signo, info.si_value.sival_int);
  open_gate();
  join_all();
  return done();
}
