// abort after the restore dies of SIGABRT (libc sends it to its thread id).
// run: static nopie
#include "probe.h"

int main(void) {
  probe_say("ready exit=134");
  wait_go();
  probe_say("ok");
  abort();
}
