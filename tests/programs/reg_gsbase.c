// The GS base, which no libc uses but Wine and others do.
#include <asm/prctl.h>

#include "probe.h"

int main(void) {
  static unsigned long block[2] = {0x1122334455667788, 0x99aabbccddeeff00};
  unsigned long value, base = 0;
  NEED(syscall(SYS_arch_prctl, ARCH_SET_GS, block) == 0);
  save_here();
  NEED(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0);
  CHECK(base == (unsigned long)block, "gs base %lx, was %p", base, (void *)block);
  if (base == (unsigned long)block) {
    __asm__("mov %%gs:8, %0" : "=r"(value));
    CHECK(value == block[1], "gs:8 is %lx", value);
  }
  return done();
}
