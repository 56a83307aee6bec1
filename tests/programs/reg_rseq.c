// rseq: the kernel goes on writing the CPU number for libc's sched_getcpu.
#include <sched.h>
#include <sys/rseq.h>

#include "probe.h"

int main(void) {
  struct rseq *area =
      (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  if (__rseq_size == 0) SKIP("libc did not register rseq");
  save_here();
  cpu_set_t all, one;
  NEED(sched_getaffinity(0, sizeof all, &all) == 0);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    NEED(sched_setaffinity(0, sizeof one, &one) == 0);
    unsigned real = ~0u;
    NEED(syscall(SYS_getcpu, &real, NULL, NULL) == 0);
    CHECK(real == (unsigned)cpu, "on CPU %u instead of %d", real, cpu);
    CHECK(area->cpu_id == real, "rseq says %u on CPU %u", area->cpu_id, real);
    CHECK(sched_getcpu() == cpu, "libc says CPU %d", sched_getcpu());
  }
  NEED(sched_setaffinity(0, sizeof all, &all) == 0);
  // Registering another area fails only while this one is registered.
  static struct rseq other __attribute__((aligned(32)));
  CHECK(syscall(SYS_rseq, &other, sizeof other, 0, RSEQ_SIG) == -1,
        "libc's area was not registered any more");
  return done();
}
