// A blocking write to a full pipe is still waiting; a handler makes room, and
// the restarted call writes its bytes, once.
#include <signal.h>

#include "call.h"

static int ends[2];
static volatile long drained;
static void handler(int s) {
  static char sink[4096];
  (void)s;
  drained = read(ends[0], sink, sizeof sink);
}

int main(void) {
  static char page[4096];
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  NEED(pipe(ends) == 0 && sigaction(SIGUSR1, &a, NULL) == 0);
  for (int i = 0; i < 16; i++) NEED(write(ends[1], page, sizeof page) == sizeof page);
  blocks_in(SYS_write, 50, "wake=sig:10");
  ssize_t n = write(ends[1], "12345678", 8);
  CHECK(n == 8 && drained == 4096, "%zd: %s, %ld", n, strerror(errno), drained);
  static char all[65536];
  CHECK(read(ends[0], all, sizeof all) == 15 * 4096 + 8, "bytes in the pipe");
  return done();
}
