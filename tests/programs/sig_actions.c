// All 64 signal actions with handlers, masks and flags.
// run: generations noagent
#include <signal.h>

#include "probe.h"

// The kernel's own structure: libc hides SA_RESTORER and two signals.
struct action {
  unsigned long handler, flags, restorer, mask;
} before[65], after[65];

static volatile int last;
static void handler_a(int s) { last = s; }
static void handler_b(int s, siginfo_t *info, void *context) {
  (void)context;
  last = info->si_signo == s ? 1000 + s : -1;
}

static int kernel_action(int s, struct action *set, struct action *old) {
  return (int)syscall(SYS_rt_sigaction, s, set, old, 8);
}

int main(void) {
  static const unsigned long flags[] = {SA_RESTART, SA_NODEFER, SA_ONSTACK,
                                        SA_RESETHAND, SA_NOCLDSTOP, SA_NOCLDWAIT, 0};
  for (int s = 1; s <= 64; s++) {
    if (s == SIGKILL || s == SIGSTOP || s == 32 || s == 33) continue;
    struct sigaction a = {0};
    if (s % 5 == 0) a.sa_handler = SIG_IGN;
    else if (s % 7 == 0) a.sa_handler = SIG_DFL;
    else if (s % 2) a.sa_handler = handler_a;
    else a.sa_sigaction = handler_b, a.sa_flags = SA_SIGINFO;
    a.sa_flags |= (int)flags[s % 7];
    sigfillset(&a.sa_mask);
    sigdelset(&a.sa_mask, s % 64 + 1);
    NEED(sigaction(s, &a, NULL) == 0);
  }
  for (int s = 1; s <= 64; s++) NEED(kernel_action(s, NULL, &before[s]) == 0);
  save_here();
  for (int s = 1; s <= 64; s++) {
    NEED(kernel_action(s, NULL, &after[s]) == 0);
    CHECK(!memcmp(&before[s], &after[s], sizeof before[s]),
          "signal %d: %lx %lx %lx, was %lx %lx %lx", s, after[s].handler,
          after[s].flags, after[s].mask, before[s].handler, before[s].flags, before[s].mask);
  }
  raise(SIGHUP);
  CHECK(last == SIGHUP, "handler was not called");
  raise(SIGUSR2);
  CHECK(last == 1000 + SIGUSR2, "handler with siginfo was not called");
  return done();
}
