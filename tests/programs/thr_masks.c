// Every thread blocks other signals; one sent to the process goes to the only
// thread that does not block it.
// run: each=8,200
#include "threads.h"

static volatile int taken_by = -1;
static __thread int number;
static void handler(int s) { (void)s, taken_by = number; }

static unsigned long bits(void) {
  unsigned long mask = 0;
  NEED(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8) == 0);
  return mask;
}

// All block the signal but thread 5 (or the last one).
static unsigned long wanted(int i, int n) {
  int chosen = n > 5 ? 5 : n - 1;
  unsigned long set = 1UL << (SIGRTMIN + i % 20) | (unsigned long)(i & 0xf) << 40;
  return i == chosen ? set : set | 1UL << (SIGUSR1 - 1);
}

static int work(int i) {
  unsigned long mask = wanted(i, thread_count);
  number = i;
  NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0);
  pass_gate(i);
  CHECK(bits() == mask, "thread %d: %lx, was %lx", i, bits(), mask);
  return 1000 + i;
}

int main(int argc, char **argv) {
  int n = count_argument(argc, argv);
  unsigned long mine = 1UL << (SIGUSR1 - 1) | 1UL << (SIGCHLD - 1) | 1UL << 60;
  signal(SIGUSR1, handler);
  start(n, work);
  NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mine, NULL, 8) == 0);
  save_here();
  CHECK(bits() == mine, "leader: %lx, was %lx", bits(), mine);
  for (int i = 0; i < n; i++) {
    unsigned long seen = await_value(tid_of(i), "SigBlk:", 16, wanted(i, n));
    CHECK(seen == wanted(i, n), "/proc, thread %d: %lx, was %lx", i, seen, wanted(i, n));
  }
  NEED(kill(getpid(), SIGUSR1) == 0);
  for (double end = now() + 20; taken_by < 0 && now() < end;) probe_nap(1);
  CHECK(taken_by == (n > 5 ? 5 : n - 1), "thread %d took it", taken_by);
  open_gate();
  join_all();
  return done();
}
