// The alternate signal stack, saved while it is not in use; stack overflow is
// caught on it afterwards.
#include <setjmp.h>
#include <signal.h>

#include "probe.h"

static char stack[64 << 10];
static sigjmp_buf back;
static void on_segv(int s) { siglongjmp(back, s); }

static int overflow(int n) {
  volatile char frame[10000];
  frame[0] = (char)n;
  return n < 0 ? 0 : overflow(n + 1) + frame[0];
}

int main(void) {
  stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack}, after;
  struct sigaction a = {.sa_handler = on_segv, .sa_flags = SA_ONSTACK};
  NEED(sigaltstack(&alt, NULL) == 0 && sigaction(SIGSEGV, &a, NULL) == 0);
  save_here();
  NEED(sigaltstack(NULL, &after) == 0);
  CHECK(after.ss_sp == stack && after.ss_size == sizeof stack && after.ss_flags == 0,
        "%p %zu %x", after.ss_sp, after.ss_size, after.ss_flags);
  int caught = sigsetjmp(back, 1);
  if (!caught) overflow(0);
  CHECK(caught == SIGSEGV, "overflow was not caught");
  return done();
}
