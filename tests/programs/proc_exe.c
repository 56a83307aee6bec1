// /proc/self/exe, where the kernel allows to set it.
// run: static nopie
#include "probe.h"

int main(void) {
  char path[4096] = "", after[4096] = "";
  NEED(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
  save_here();
  NEED(readlink("/proc/self/exe", after, sizeof after - 1) > 0);
  // CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE
  if (capable(21) || capable(40)) CHECK(strcmp(path, after) == 0, "%s, was %s", after, path);
  return done();
}
