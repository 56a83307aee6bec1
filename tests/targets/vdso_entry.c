// Is about to call clock_gettime of the vDSO: it spins with the arguments in
// rdi and rsi, the function in rax, and in rbx the address to return to. A test
// makes the call for it, in the image.
#include <dlfcn.h>

#include "../programs/probe.h"

int main(void) {
  void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
  void *function = vdso ? dlsym(vdso, "__vdso_clock_gettime") : NULL;
  if (!function) SKIP("there is no clock_gettime in the vDSO");
  struct timespec before, is = {0, 0};
  NEED(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
  probe_say("ready");
  long result;
  __asm__ volatile(
      "lea 2f(%%rip), %%rbx\n"
      "1: pause\n"
      "jmp 1b\n"
      "2:"
      : "=a"(result)
      : "a"(function), "D"((long)CLOCK_MONOTONIC), "S"(&is)
      : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
  CHECK(result == 0, "result %ld", result);
  CHECK(is.tv_sec >= before.tv_sec && is.tv_sec < before.tv_sec + 120, "%ld s after %ld s", (long)is.tv_sec, (long)before.tv_sec);
  NEED(clock_gettime(CLOCK_MONOTONIC, &is) == 0);
  CHECK(is.tv_sec >= before.tv_sec && is.tv_sec < before.tv_sec + 120, "%ld s after %ld s", (long)is.tv_sec, (long)before.tv_sec);
  wait_go();
  return done();
}
