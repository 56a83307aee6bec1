// SIGCHLD: one that is pending at the save, and those that come afterwards, to
// a handler that reaps and to one with SA_NOCLDSTOP.
#include "tree.h"

static volatile int reaped, last_status, last_pid, from;
static void handler(int s, siginfo_t *info, void *context) {
  int status, saved = errno;
  pid_t pid;
  (void)s, (void)context;
  from = info->si_pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) reaped++, last_pid = pid, last_status = status;
  errno = saved;
}

static void at_once(int i) { _exit(i); }
static void later(int i) {
  did("child");
  wait_go();
  await_did("now");
  _exit(i);
}

int main(void) {
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP};
  sigset_t chld, pending;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  NEED(sigaction(SIGCHLD, &a, NULL) == 0 && sigprocmask(SIG_BLOCK, &chld, NULL) == 0);
  pid_t first = child(at_once, 3), second = child(later, 4);
  await_did("child");
  await_state(first, 'Z');
  save_here();
  NEED(sigpending(&pending) == 0);
  CHECK(sigismember(&pending, SIGCHLD) && reaped == 0, "not pending, %d reaped", reaped);
  NEED(sigprocmask(SIG_UNBLOCK, &chld, NULL) == 0);
  CHECK(reaped == 1 && last_pid == first && last_status == 3 << 8 && from == first,
        "%d reaped, %d, %x; from %d", reaped, last_pid, last_status, from);
  NEED(kill(second, SIGSTOP) == 0);
  await_state(second, 'T');
  NEED(kill(second, SIGCONT) == 0);
  did("now");
  for (double end = now() + 20; reaped < 2 && now() < end;) probe_nap(1);
  CHECK(reaped == 2 && last_pid == second && last_status == 4 << 8 && from == second,
        "%d reaped, %d, %x; from %d", reaped, last_pid, last_status, from);
  return done();
}
