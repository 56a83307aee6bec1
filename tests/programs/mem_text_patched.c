// Program text that was changed in memory (as tracers and JITs do) stays so.
// run: nopie static
#include "maps.h"

__attribute__((noinline, aligned(4096))) int answer(void) {
  __asm__ volatile("");
  return 41;
}

int main(void) {
  int (*volatile call)(void) = answer;
  unsigned char *code = (unsigned char *)(void *)call;
  NEED(call() == 41);
  NEED(mprotect(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
  unsigned char *value = memchr(code, 41, 64);
  NEED(value);
  *value = 42;
  NEED(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
  save_here();
  CHECK(call() == 42, "it answers %d", call());
  return done();
}
