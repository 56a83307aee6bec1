// Threads that libc knows nothing of: clone(2) with a stack, nothing at the
// ends of their TLS, one with an address to clear at its end and one without.
// run: static
#include <sched.h>

#include "threads.h"

enum { FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM };
static char stacks[2][32 << 10] __attribute__((aligned(16)));
static int cleared = 4711, raw_gate, seen[2];
static volatile int raw_tids[2];

// No libc in it: it has the creator's TLS.
static int raw(void *number) {
  long i = (long)number, result;
  char local[256];
  for (int n = 0; n < 256; n++) local[n] = (char)(n * (i + 3));
  __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_gettid) : "rcx", "r11", "memory");
  __atomic_store_n(&raw_tids[i], (int)result, __ATOMIC_SEQ_CST);
  while (!__atomic_load_n(&raw_gate, __ATOMIC_SEQ_CST)) {
    register long r10 __asm__("r10") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_futex), "D"(&raw_gate), "S"(FUTEX_WAIT_PRIVATE), "d"(0), "r"(r10)
                     : "rcx", "r11", "memory");
  }
  int right = 1;
  for (int n = 0; n < 256; n++) right &= local[n] == (char)(n * (i + 3));
  __atomic_store_n(&seen[i], right ? 1 : 2, __ATOMIC_SEQ_CST);
  __asm__ volatile("syscall" : : "a"(SYS_exit), "D"(0) : "rcx", "r11", "memory");
  return 0;  // never
}

int main(void) {
  for (long i = 0; i < 2; i++) {
    int flags = FLAGS | (i ? CLONE_CHILD_CLEARTID : 0);
    int tid = clone(raw, stacks[i] + sizeof stacks[i], flags, (void *)i, NULL, NULL, &cleared);
    NEED(tid > 0);
    for (double end = now() + 20; !raw_tids[i];) {
      NEED(now() < end);
      probe_nap(1);
    }
  }
  save_here();
  CHECK(task_value(getpid(), "Threads:", 10) == 3, "%lu threads",
        task_value(getpid(), "Threads:", 10));
  CHECK(cleared == 4711, "cleared before its end");
  raw_gate = 1;
  futex(&raw_gate, FUTEX_WAKE_PRIVATE, 10);
  for (double end = now() + 20; (cleared || !seen[0] || !seen[1]) && now() < end;) probe_nap(1);
  CHECK(seen[0] == 1 && seen[1] == 1, "%d %d", seen[0], seen[1]);
  CHECK(cleared == 0, "the address is not cleared: %d", cleared);
  return done();
}
