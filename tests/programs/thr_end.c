// How the process ends, afterwards, by a thread that is not the leader: it
// exits, it aborts, it returns from its function as the last one, it is killed.
// run: each=exit,abort,last,segv
#include <sys/resource.h>

#include "threads.h"

static const char *how;

static int work(int i) {
  pass_gate(i);
  if (i) {
    if (is(how, "last")) return 0;
    for (;;) pause();
  }
  probe_say(probe_failures ? "failed" : "ok");
  if (is(how, "exit")) exit(7);
  if (is(how, "abort")) abort();
  if (is(how, "segv")) *(volatile int *)8 = 1;
  return 0;
}

int main(int argc, char **argv) {
  static const struct rlimit none = {0, 0};
  how = argument(argc, argv);
  NEED(setrlimit(RLIMIT_CORE, &none) == 0);
  start(4, work);
  int status = is(how, "exit") ? 7 : is(how, "abort") ? 134 : is(how, "segv") ? 139 : 0;
  probe_say("ready exit=%d", status);
  wait_go();
  open_gate();
  pthread_exit(NULL);
}
