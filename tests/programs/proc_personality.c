// The personality (as setarch -R sets it).
#include <sys/personality.h>

#include "probe.h"

int main(int argc, char **argv) {
  (void)argc;
  int flags = ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT;
  if (!((unsigned)personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
    NEED(personality((unsigned long)flags) >= 0);
    execv("/proc/self/exe", argv);
  }
  save_here();
  CHECK(personality(0xffffffff) == flags, "personality %x", personality(0xffffffff));
  return done();
}
