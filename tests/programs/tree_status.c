// The root ends before its children, by a status or a signal: that is what the
// one who started it sees.
// run: each=exit,signal
#include "tree.h"

static void work(int i) {
  (void)i;
  did("child");
  wait_go();
  pid_t parent = getppid();
  for (double end = now() + 20; getppid() == parent && now() < end;) probe_nap(1);
}

int main(int argc, char **argv) {
  int by_signal = is(argument(argc, argv), "signal");
  child(work, 0);
  await_did("child");
  probe_say("ready exit=%d", by_signal ? 128 + SIGTERM : 41);
  wait_go();
  done();
  if (by_signal) raise(SIGTERM);
  return 41;
}
