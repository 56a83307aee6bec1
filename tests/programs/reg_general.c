// All general registers, the direction flag and the red zone, held live while
// the program spins in user code.
#include "spin.h"

struct registers {
  unsigned long r[15], flags, red;
} before, after;

// The saving is done with one register borrowed by way of the stack.
__asm__(
    ".text\n.globl spin_general\nspin_general:\n"
    " push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " lea before(%rip), %rax\n"
    " mov 0(%rax), %rbx\n mov 8(%rax), %rcx\n mov 16(%rax), %rdx\n"
    " mov 24(%rax), %rsi\n mov 32(%rax), %rdi\n mov 40(%rax), %rbp\n"
    " mov 48(%rax), %r8\n mov 56(%rax), %r9\n mov 64(%rax), %r10\n"
    " mov 72(%rax), %r11\n mov 80(%rax), %r12\n mov 88(%rax), %r13\n"
    " mov 96(%rax), %r14\n mov 104(%rax), %r15\n mov %r15, -128(%rsp)\n"
    " mov 112(%rax), %rax\n"
    " std\n stc\n"
    "1: pause\n testb $1, probe_flag(%rip)\n jz 1b\n"
    " mov %rbx, after+0(%rip)\n mov %rcx, after+8(%rip)\n"
    " mov %rdx, after+16(%rip)\n mov %rsi, after+24(%rip)\n"
    " mov %rdi, after+32(%rip)\n mov %rbp, after+40(%rip)\n"
    " mov %r8, after+48(%rip)\n mov %r9, after+56(%rip)\n"
    " mov %r10, after+64(%rip)\n mov %r11, after+72(%rip)\n"
    " mov %r12, after+80(%rip)\n mov %r13, after+88(%rip)\n"
    " mov %r14, after+96(%rip)\n mov %r15, after+104(%rip)\n"
    " mov %rax, after+112(%rip)\n"
    " mov -128(%rsp), %rax\n mov %rax, after+128(%rip)\n"
    " pushf\n pop %rax\n mov %rax, after+120(%rip)\n cld\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");
void spin_general(void);

int main(void) {
  for (unsigned long i = 0; i < 15; i++)
    before.r[i] = 0x9e3779b97f4a7c15 * (i + 1);
  ready_to_spin();
  spin_general();
  for (int i = 0; i < 15; i++)
    CHECK(after.r[i] == before.r[i], "register %d: %lx, was %lx", i,
          after.r[i], before.r[i]);
  CHECK(after.flags & 0x400, "direction flag lost: %lx", after.flags);
  CHECK(after.red == before.r[13], "red zone overwritten: %lx", after.red);
  return done();
}
