// The umask.
#include <sys/stat.h>

#include "probe.h"

int main(void) {
  umask(0137);
  save_here();
  mode_t after = umask(0);
  CHECK(after == 0137, "umask %o", after);
  return done();
}
