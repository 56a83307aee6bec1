// A futex wait without a timeout goes on waiting; a handler that changes the
// word ends it with EAGAIN, as the restarted call finds another value.
#include <linux/futex.h>
#include <signal.h>

#include "call.h"

static int word = 5;
static void handler(int s) { (void)s, __atomic_store_n(&word, 6, __ATOMIC_SEQ_CST); }

int main(void) {
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  NEED(sigaction(SIGUSR1, &a, NULL) == 0);
  blocks_in(SYS_futex, 50, "wake=sig:10");
  long n = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, NULL, NULL, 0);
  CHECK(n == -1 && errno == EAGAIN && word == 6, "%ld: %s, %d", n, strerror(errno), word);
  return done();
}
