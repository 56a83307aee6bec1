// The alternate signal stack, saved while a handler runs on it.
// run: generations
#include <signal.h>

#include "probe.h"

static char stack[64 << 10], *volatile where;

static void handler(int s) {
  char local;
  stack_t now;
  (void)s;
  where = &local;
  if (access("go", F_OK) != 0) save_here();
  CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == stack, "not the stack any more");
  CHECK(now.ss_flags & SS_ONSTACK, "the kernel does not know we are on it");
  CHECK(where == &local, "moved");
}

int main(void) {
  stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack}, after;
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
  NEED(sigaltstack(&alt, NULL) == 0 && sigaction(SIGUSR1, &a, NULL) == 0);
  raise(SIGUSR1);
  CHECK(where > stack && where < stack + sizeof stack, "the handler was elsewhere");
  NEED(sigaltstack(NULL, &after) == 0);
  CHECK(after.ss_sp == stack && after.ss_size == sizeof stack && after.ss_flags == 0,
        "%p %zu %x", after.ss_sp, after.ss_size, after.ss_flags);
  where = NULL;
  raise(SIGUSR1);  // "go" is there already
  CHECK(where > stack && where < stack + sizeof stack, "not used any more");
  return done();
}
