// Robust mutexes whose holders end without unlocking them after the save: the
// thread that waits is told, and so is who comes later; one whose holder had
// ended before the save stays inconsistent until somebody repairs it.
// run: ids each=robust,pi
#include "threads.h"

static pthread_mutex_t waited, later, before;

static int work(int i) {
  if (i == 0) {
    NEED(pthread_mutex_lock(&waited) == 0 && pthread_mutex_lock(&later) == 0);
    pass_gate(i);
    return 1000;  // holding both
  }
  if (i == 1) {
    arrive(i);
    int error = pthread_mutex_lock(&waited);
    CHECK(error == EOWNERDEAD, "the waiting thread: %s", strerror(error));
    CHECK(pthread_mutex_consistent(&waited) == 0 && pthread_mutex_unlock(&waited) == 0, "repair");
    return 1001;
  }
  NEED(pthread_mutex_lock(&before) == 0);
  arrive(i);
  return 1002;
}

int main(int argc, char **argv) {
  pthread_mutexattr_t a;
  NEED(pthread_mutexattr_init(&a) == 0);
  NEED(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0);
  if (is(argument(argc, argv), "pi")) pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
  NEED(pthread_mutex_init(&waited, &a) == 0 && pthread_mutex_init(&later, &a) == 0);
  NEED(pthread_mutex_init(&before, &a) == 0);
  start(3, work);
  await_call(tids[1], SYS_futex);
  await_end(tids[2]);
  save_here();
  CHECK(pthread_mutex_trylock(&waited) == EBUSY && pthread_mutex_trylock(&later) == EBUSY, "lost");
  CHECK(pthread_mutex_lock(&before) == EOWNERDEAD, "the holder's death is forgotten");
  CHECK(pthread_mutex_unlock(&before) == 0, "unlock without repair");
  CHECK(pthread_mutex_lock(&before) == ENOTRECOVERABLE, "it can still be used");
  open_gate();
  join_all();
  CHECK(pthread_mutex_lock(&later) == EOWNERDEAD, "who comes later is not told");
  CHECK(pthread_mutex_consistent(&later) == 0 && pthread_mutex_unlock(&later) == 0, "repair");
  CHECK(pthread_mutex_lock(&waited) == 0, "repaired");
  return done();
}
