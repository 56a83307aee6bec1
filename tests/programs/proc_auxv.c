// The auxiliary vector, of libc and of /proc.
// run: static nopie
#include <sys/auxv.h>

#include "probe.h"

int main(void) {
  unsigned char random[16], vector[512];
  unsigned long entry = getauxval(AT_ENTRY), phdr = getauxval(AT_PHDR);
  memcpy(random, (void *)getauxval(AT_RANDOM), 16);
  memcpy(vector, slurp("/proc/self/auxv"), sizeof vector);
  save_here();
  CHECK(getauxval(AT_ENTRY) == entry && getauxval(AT_PHDR) == phdr, "libc's copy");
  CHECK(!memcmp(random, (void *)getauxval(AT_RANDOM), 16), "AT_RANDOM");
  CHECK(!memcmp(vector, slurp("/proc/self/auxv"), sizeof vector), "/proc/self/auxv");
  return done();
}
