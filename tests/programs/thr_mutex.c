// Mutexes of every type, held at the save by a thread or by the leader, with
// one thread waiting for each: they are held afterwards, by the same ones, who
// can unlock them; the waiting thread gets it then and not before.
// run: ids each=normal,recursive,errorcheck,adaptive,robust,pi,pi-recursive,pi-robust
#include "threads.h"

static pthread_mutex_t mutexes[3];  // 0, 1: held by that worker; 2: by the leader
static int waiter_has[3];
static const char *type;
static int inner;  // how often a holder has locked it in addition

static void make(pthread_mutex_t *mutex) {
  pthread_mutexattr_t a;
  NEED(pthread_mutexattr_init(&a) == 0);
  if (strstr(type, "recursive")) pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE), inner = 3;
  if (strstr(type, "errorcheck")) pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
  if (strstr(type, "adaptive")) pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ADAPTIVE_NP);
  if (strstr(type, "robust")) pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  if (strstr(type, "pi")) NEED(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0);
  NEED(pthread_mutex_init(mutex, &a) == 0);
}

static void hold(int i) {
  for (int n = 0; n <= inner; n++) NEED(pthread_mutex_lock(&mutexes[i]) == 0);
}

static void release(int i) {
  int again = pthread_mutex_trylock(&mutexes[i]);
  CHECK(again == (inner ? 0 : EBUSY), "the holder's trylock of %d: %s", i, strerror(again));
  if (is(type, "errorcheck"))
    CHECK(pthread_mutex_lock(&mutexes[i]) == EDEADLK, "lock of %d again", i);
  for (int n = !inner; n <= inner + 1; n++) {
    CHECK(!__atomic_load_n(&waiter_has[i], __ATOMIC_SEQ_CST), "%d is lost, step %d", i, n);
    int error = pthread_mutex_unlock(&mutexes[i]);
    CHECK(error == 0, "unlock of %d, step %d: %s", i, n, strerror(error));
  }
}

// Threads 0 and 1 hold, 2 to 4 wait, each for one.
static int work(int i) {
  if (i < 2) {
    hold(i);
    pass_gate(i);
    release(i);
    return 1000 + i;
  }
  arrive(i);
  int error = pthread_mutex_lock(&mutexes[i - 2]);
  CHECK(error == 0, "waiting for %d: %s", i - 2, strerror(error));
  __atomic_store_n(&waiter_has[i - 2], 1, __ATOMIC_SEQ_CST);
  CHECK(pthread_mutex_unlock(&mutexes[i - 2]) == 0, "the waiting thread's unlock of %d", i - 2);
  return 1000 + i;
}

int main(int argc, char **argv) {
  type = argument(argc, argv);
  for (int i = 0; i < 3; i++) make(&mutexes[i]);
  hold(2);
  start(5, work);
  for (int i = 2; i < 5; i++) await_call(tids[i], SYS_futex);
  save_here();
  for (int i = 0; i < 2; i++) {
    CHECK(pthread_mutex_trylock(&mutexes[i]) == EBUSY, "%d is not held", i);
    if (is(type, "normal") || is(type, "adaptive")) continue;
    CHECK(pthread_mutex_unlock(&mutexes[i]) == EPERM, "%d unlocked by somebody else", i);
  }
  open_gate();
  release(2);
  join_all();
  for (int i = 0; i < 3; i++) {
    CHECK(waiter_has[i], "nobody got %d", i);
    CHECK(pthread_mutex_lock(&mutexes[i]) == 0 && pthread_mutex_unlock(&mutexes[i]) == 0 &&
              pthread_mutex_destroy(&mutexes[i]) == 0, "%d afterwards", i);
  }
  return done();
}
