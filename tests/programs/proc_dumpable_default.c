// A process that is dumpable still is (execve of a memfd or new credentials
// take it away).
#include <sys/prctl.h>

#include "probe.h"

int main(void) {
  NEED(prctl(PR_GET_DUMPABLE) == 1);
  save_here();
  CHECK(prctl(PR_GET_DUMPABLE) == 1, "dumpable %d", prctl(PR_GET_DUMPABLE));
  return done();
}
