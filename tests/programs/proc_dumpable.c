// A process that made itself undumpable: only root may save it.
// run: root noagent
#include <sys/prctl.h>

#include "probe.h"

int main(void) {
  NEED(prctl(PR_SET_DUMPABLE, 0) == 0);
  save_here();
  CHECK(prctl(PR_GET_DUMPABLE) == 0, "dumpable %d", prctl(PR_GET_DUMPABLE));
  return done();
}
