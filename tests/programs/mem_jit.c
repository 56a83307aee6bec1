// Executable anonymous memory: code that was generated before the save, and
// more of it afterwards.
#include "maps.h"

typedef int function(void);

static void emit(unsigned char *at, int value) {  // mov $value, %eax; ret
  *at = 0xb8;
  memcpy(at + 1, &value, 4);
  at[5] = 0xc3;
}

int main(void) {
  unsigned char *p = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  unsigned char *q = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE);
  emit(p, 1234);
  emit(q, 5678);
  NEED(mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
  save_here();
  CHECK(((function *)(void *)p)() == 1234, "read and execute");
  CHECK(((function *)(void *)q)() == 5678, "write and execute");
  emit(q + 64, 9);
  CHECK(((function *)(void *)(q + 64))() == 9, "code made afterwards");
  return done();
}
