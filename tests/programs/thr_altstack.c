// Alternate signal stacks: every thread has one of its own, the odd threads
// are in a handler on it, two deep, at the save.
#include <ucontext.h>

#include "threads.h"

enum { SIZE = 64 << 10 };
static char stacks[8][SIZE];
static __thread int number, depth;
static __thread volatile int handled;

static int on_own_stack(void *local) {
  return (char *)local >= stacks[number] && (char *)local < stacks[number] + SIZE;
}

static void handler(int s, siginfo_t *info, void *context) {
  char local[1000];
  stack_t st;
  sigset_t old = ((ucontext_t *)context)->uc_sigmask;
  (void)s;
  CHECK(on_own_stack(local), "thread %d: handler elsewhere", number);
  fill(local, sizeof local, (unsigned)number);
  pid_t sender = getpid();
  if (++depth == 1 && !gate) {
    pthread_kill(pthread_self(), SIGUSR1);
  } else if (!gate) {
    pass_gate(number);
  }
  NEED(sigaltstack(NULL, &st) == 0);
  CHECK(st.ss_sp == stacks[number] && st.ss_flags == SS_ONSTACK, "thread %d: %p %x", number,
        st.ss_sp, st.ss_flags);
  CHECK(filled(local, sizeof local, (unsigned)number), "thread %d: locals", number);
  CHECK(info->si_pid == sender, "thread %d: from %d", number, info->si_pid);
  CHECK(sigismember(&old, SIGTERM) == 1, "thread %d: the frame's mask", number);
  depth--;
  handled++;
}

static int work(int i) {
  stack_t st = {.ss_sp = stacks[i], .ss_size = SIZE};
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  number = i;
  NEED(sigaltstack(&st, NULL) == 0 && pthread_sigmask(SIG_BLOCK, &term, NULL) == 0);
  if (i % 2)
    pthread_kill(pthread_self(), SIGUSR1);
  else
    pass_gate(i);
  CHECK(handled == (i % 2 ? 2 : 0) && depth == 0, "thread %d: %d handlers", i, handled);
  NEED(sigaltstack(NULL, &st) == 0);
  CHECK(st.ss_sp == stacks[i] && st.ss_size == SIZE && st.ss_flags == 0, "thread %d: %p %x", i,
        st.ss_sp, st.ss_flags);
  handled = 0;
  pthread_kill(pthread_self(), SIGUSR1);
  CHECK(handled == 1, "thread %d: no handler afterwards", i);
  return 1000 + i;
}

int main(void) {
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_ONSTACK | SA_SIGINFO | SA_NODEFER};
  stack_t st;
  NEED(sigaction(SIGUSR1, &a, NULL) == 0);
  start(8, work);
  leader_waits();
  NEED(sigaltstack(NULL, &st) == 0);
  CHECK(st.ss_flags == SS_DISABLE, "the leader has one");
  join_all();
  return done();
}
