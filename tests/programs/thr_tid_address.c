// libc's own copy of the thread id is patched: raise, abort and pthread_kill
// reach this thread, error-checking mutexes taken afterwards can be unlocked.
// run: static nopie
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "probe.h"

static volatile int got;
static void handler(int s) { got = s; }

int main(void) {
  int *address = NULL, *address_after = NULL;
  if (prctl(PR_GET_TID_ADDRESS, &address) != 0) SKIP("no PR_GET_TID_ADDRESS");
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  NEED(pthread_mutex_init(&mutex, &attributes) == 0);
  signal(SIGUSR1, handler);
  NEED(*address == syscall(SYS_gettid));
  save_here();
  NEED(prctl(PR_GET_TID_ADDRESS, &address_after) == 0);
  CHECK(address_after == address, "%p, was %p", (void *)address_after, (void *)address);
  CHECK(*address == syscall(SYS_gettid), "libc thinks it is %d", *address);
  CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0 && got == SIGUSR1, "pthread_kill");
  CHECK(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0, "mutex");
  return done();
}
