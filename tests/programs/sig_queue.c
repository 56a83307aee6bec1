// Queued real-time signals: all of them, with values, senders, in order.
// run: generations
#include <signal.h>

#include "probe.h"

int main(void) {
  sigset_t set;
  siginfo_t info;
  sigfillset(&set);
  sigdelset(&set, SIGUSR2);
  NEED(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
  for (long i = 0; i < 20; i++) {
    union sigval value = {.sival_ptr = (void *)(0x123456789abc0000 + i)};
    NEED(sigqueue(getpid(), SIGRTMIN + (int)(i % 3), value) == 0);
  }
  memset(&info, 0, sizeof info);
  info.si_code = SI_ASYNCIO;
  info.si_value.sival_int = 99;
  NEED(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGRTMAX, &info) == 0);
  int pid = getpid();
  save_here();
  struct timespec none = {0};
  for (int s = 0; s < 3; s++)
    for (long i = s; i < 20; i += 3) {
      sigemptyset(&set);
      sigaddset(&set, SIGRTMIN + s);
      int got = sigtimedwait(&set, &info, &none);
      CHECK(got == SIGRTMIN + s, "signal %ld of %d: %d", i, SIGRTMIN + s, got);
      CHECK(info.si_code == SI_QUEUE, "code %d", info.si_code);
      CHECK(info.si_pid == pid && info.si_uid == getuid(), "from %d", info.si_pid);
      CHECK((long)info.si_value.sival_ptr == 0x123456789abc0000 + i, "value %p, in order %ld",
            info.si_value.sival_ptr, i);
    }
  sigfillset(&set);
  CHECK(sigtimedwait(&set, &info, &none) == SIGRTMAX, "the thread's signal is lost");
  CHECK(info.si_code == SI_ASYNCIO && info.si_value.sival_int == 99, "%d %d",
        info.si_code, info.si_value.sival_int);
  CHECK(sigtimedwait(&set, &info, &none) == -1, "signal %d nobody sent", info.si_signo);
  return done();
}
