// PR_SET_PDEATHSIG of a child: it gets the signal when its parent ends.
#include <sys/prctl.h>

#include "tree.h"

static volatile int got;
static void handler(int s) { got = s; }

static void orphan(int i) {
  int sig = 0;
  (void)i;
  struct sigaction a = {.sa_handler = handler};
  NEED(sigaction(SIGUSR1, &a, NULL) == 0 && prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
  did("orphan");
  wait_go();
  CHECK(prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == SIGUSR1, "signal %d", sig);
  CHECK(got == 0, "signalled too early");
  did("checked");
  for (double end = now() + 20; !got && now() < end;) probe_nap(1);
  CHECK(got == SIGUSR1, "not signalled");
  _exit(probe_failures);
}

static void parent_of(int i) {
  child(orphan, i);
  await_did("orphan");
  did("parent");
  wait_go();
  await_did("checked");
}

int main(void) {
  NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  pid_t pid = child(parent_of, 0);
  await_did("parent");
  save_here();
  ends_well(pid);
  int status = 0;
  CHECK(waitpid(-1, &status, 0) > 0 && status == 0, "the orphan: %x", status);
  return done();
}
