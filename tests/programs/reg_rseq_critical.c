// A save in the middle of an rseq critical section restarts it at its abort
// handler, in the program that runs on and in the restored one: the section
// must never go on as if nothing had come between.
#include <sys/rseq.h>

#include "spin.h"

int main(void) {
  struct rseq *area =
      (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  if (__rseq_size == 0) SKIP("libc did not register rseq");
  static struct rseq_cs section __attribute__((aligned(32)));
  long aborted = -1;
  ready_to_spin();
  // Natively the section is aborted by any preemption and just starts again.
  __asm__ volatile(
      "lea 2f(%%rip), %%rax\n mov %%rax, 8(%[section])\n"
      "movq $(3f-2f), 16(%[section])\n"
      "lea 4f(%%rip), %%rax\n mov %%rax, 24(%[section])\n"
      "xor %%ecx, %%ecx\n"
      "5: mov %[section], 8(%[area])\n"
      "2: pause\n cmpb $0, probe_flag(%%rip)\n je 2b\n"
      "3: jmp 6f\n"
      ".long 0x53053053\n"
      "4: inc %%rcx\n cmpb $0, probe_flag(%%rip)\n je 5b\n"
      "6: mov %%rcx, %[aborted]\n"
      : [aborted] "=r"(aborted)
      : [section] "r"(&section), [area] "r"(area)
      : "rax", "rcx", "memory", "cc");
  CHECK(aborted >= 0, "%ld aborts", aborted);
  CHECK(saves() == 0 || aborted > 0, "the section ran on through a save");
  return done();
}
