// For probes with several threads.
//
// start(n, work) makes n threads; each runs work(its number), arrives, and goes
// on when the gate is opened: leader_waits() is where the probe is saved. Then
// join_all(). A thread that blocks in something else than the gate calls
// arrive() and blocks; await_call() waits for that.
#ifndef THREADS_H
#define THREADS_H
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "probe.h"

enum { MOST = 256 };

static pthread_t threads[MOST];
static volatile pid_t tids[MOST];  // 0: has not arrived
static int thread_count;
static int gate;
static int (*thread_work)(int);

UNUSED static long futex(int *word, int op, int value) {
  return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

// arrive tells the leader that thread i is there.
UNUSED static void arrive(int i) {
  tids[i] = (pid_t)syscall(SYS_gettid);
}

// pass_gate arrives, and returns when the leader has opened the gate.
UNUSED static void pass_gate(int i) {
  arrive(i);
  while (!__atomic_load_n(&gate, __ATOMIC_ACQUIRE)) futex(&gate, FUTEX_WAIT_PRIVATE, 0);
}

UNUSED static void open_gate(void) {
  __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
  futex(&gate, FUTEX_WAKE_PRIVATE, MOST);
}

// count_argument is the number of threads of each=, at most MOST.
UNUSED static int count_argument(int argc, char **argv) {
  int n = argc > 1 ? atoi(argv[1]) : 8;
  NEED(n > 0 && n <= MOST);
  return n;
}

UNUSED static void *thread_main(void *number) {
  return (void *)(long)thread_work((int)(long)number);
}

// await_arrival waits until thread i has arrived.
UNUSED static void await_arrival(int i) {
  for (double end = now() + 40; !tids[i];) {
    NEED(now() < end);
    probe_nap(1);
  }
}

// start makes n threads, each when the one before has arrived.
UNUSED static void start(int n, int (*work)(int)) {
  thread_count = n;
  thread_work = work;
  for (int i = 0; i < n; i++) {
    int error = pthread_create(&threads[i], NULL, thread_main, (void *)(long)i);
    if (error) SKIP("pthread_create %d: %s", i, strerror(error));
    await_arrival(i);
  }
}

// join_all checks that every thread returns its number plus 1000.
UNUSED static void join_all(void) {
  for (int i = 0; i < thread_count; i++) {
    void *value = NULL;
    int error = pthread_join(threads[i], &value);
    CHECK(error == 0 && (long)value == 1000 + i, "join of %d: %d, value %ld", i, error,
          (long)value);
  }
}

// leader_waits is where the probe is saved.
UNUSED static void leader_waits(void) {
  save_here();
  open_gate();
}

// task_file is a file of /proc/self/task/TID; valid until the next slurp. Not
// for use in several threads at a time.
UNUSED static char *task_file(pid_t tid, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, name);
  return slurp(path);
}

// task_state is the letter of its state, 0 if there is no such thread.
UNUSED static char task_state(pid_t tid) {
  char *text = task_file(tid, "stat"), *end = strrchr(text, ')');
  return end ? end[2] : 0;
}

// task_value is a hexadecimal or decimal value of its status file.
UNUSED static unsigned long task_value(pid_t tid, const char *key, int base) {
  char *line = strstr(task_file(tid, "status"), key);
  return line ? strtoul(line + strlen(key) + 1, NULL, base) : ~0UL;
}

// await_value is task_value when that is the one that is wanted, or what it still
// is after a while: a thread that has not run since the restore, or that still
// comes out of the library's handler, blocks all signals.
UNUSED static unsigned long await_value(pid_t tid, const char *key, int base, unsigned long wanted) {
  unsigned long value;
  for (double end = now() + 20; (value = task_value(tid, key, base)) != wanted && now() < end;)
    probe_nap(1);
  return value;
}

// await_call waits until the thread is blocked in the system call; for any of
// them give -1.
UNUSED static void await_call(pid_t tid, long number) {
  for (double end = now() + 40;;) {
    char *text = task_file(tid, "syscall");
    if (*text >= '0' && *text <= '9' && (number < 0 || atol(text) == number)) return;
    NEED(now() < end);
    probe_nap(1);
  }
}

// tid_of is what libc takes for the id of thread i: it may be another one than
// before, where ids can not be kept, but then everywhere. The clock's number has
// it (CPUCLOCK_PID in the kernel's posix-timers.h).
UNUSED static pid_t tid_of(int i) {
  clockid_t clock;
  NEED(pthread_getcpuclockid(threads[i], &clock) == 0);
  return ~(clock >> 3);
}

// await_end waits until there is no such thread any more.
UNUSED static void await_end(pid_t tid) {
  for (double end = now() + 40; task_state(tid);) {
    NEED(now() < end);
    probe_nap(1);
  }
}

UNUSED static const char *argument(int argc, char **argv) {
  NEED(argc > 1);
  return argv[1];
}

UNUSED static int is(const char *a, const char *b) { return strcmp(a, b) == 0; }
#endif
