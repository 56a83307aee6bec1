// Threads that increment counters of their processor in rseq critical sections:
// no increment is lost, and every thread is still registered.
// run: each=2,8
#include <sched.h>
#include <sys/rseq.h>

#include "threads.h"

enum { CPUS = 1024 };
static volatile int stop;
static struct { long n, pad[7]; } per_cpu[CPUS] __attribute__((aligned(64)));
static long own_count[MOST];

static struct rseq *area(void) {
  return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static int work(int i) {
  struct rseq_cs section __attribute__((aligned(32))) = {0};
  struct rseq *mine = area();
  long count = 0;
  arrive(i);
  while (!stop) {
    __asm__ volatile(
        "lea 2f(%%rip), %%rax\n mov %%rax, 8(%[section])\n"
        "movq $(3f-2f), 16(%[section])\n"
        "lea 4f(%%rip), %%rax\n mov %%rax, 24(%[section])\n"
        "5: mov %[section], 8(%[area])\n"
        "2: mov 0(%[area]), %%eax\n"
        "shl $6, %%rax\n"
        "mov (%[counters],%%rax), %%rcx\n"
        "inc %%rcx\n"
        "mov %%rcx, (%[counters],%%rax)\n"
        "3: movq $0, 8(%[area])\n jmp 6f\n"
        ".long 0x53053053\n"
        "4: jmp 5b\n"
        "6:\n"
        :
        : [section] "r"(&section), [area] "r"(mine), [counters] "r"(per_cpu)
        : "rax", "rcx", "memory", "cc");
    count++;
  }
  CHECK(area() == mine && (int)mine->cpu_id >= 0, "thread %d: not registered, cpu %d", i,
        (int)mine->cpu_id);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(mine->cpu_id, &one);
  NEED(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK((int)mine->cpu_id == sched_getcpu(), "thread %d: processor %d, not %d", i,
        (int)mine->cpu_id, sched_getcpu());
  own_count[i] = count;
  return 1000 + i;
}

int main(int argc, char **argv) {
  int n = count_argument(argc, argv);
  if (__rseq_size == 0) SKIP("libc did not register rseq");
  start(n, work);
  leader_waits();
  probe_nap(20);
  stop = 1;
  join_all();
  long sum = 0, total = 0;
  for (int i = 0; i < CPUS; i++) sum += per_cpu[i].n;
  for (int i = 0; i < n; i++) total += own_count[i];
  CHECK(sum == total, "%ld increments of %ld", sum, total);
  return done();
}
