// What waits in shared memory between processes: a mutex that the parent holds,
// one that a child holds, a condition variable, a semaphore, a barrier, a robust
// mutex whose holder ends.
// run: each=mutex,errorcheck,held,cond,sem,barrier,robust,pi
#include <pthread.h>
#include <semaphore.h>

#include "tree.h"

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  pthread_barrier_t barrier;
  sem_t sem;
  int value, serial;
} *m;
static const char *how;
enum { N = 3 };

static void enter(int i, int want) {
  int error = pthread_mutex_lock(&m->mutex);
  CHECK(error == want, "%d: lock: %s", i, strerror(error));
  if (error == EOWNERDEAD) CHECK(pthread_mutex_consistent(&m->mutex) == 0, "%d: repair", i);
  m->value++;
  error = pthread_mutex_unlock(&m->mutex);
  CHECK(error == 0, "%d: unlock: %s", i, strerror(error));
}

// Child 0 holds it; the others wait.
static void holder(int i) {
  NEED(pthread_mutex_lock(&m->mutex) == 0);
  did("child.%d", i);
  wait_go();
  await_did("tried");
  if (is(how, "robust")) _exit(probe_failures);
  CHECK(m->value == 0, "%d got it meanwhile", m->value);
  CHECK(pthread_mutex_unlock(&m->mutex) == 0, "the holder's unlock");
}

static void work(int i) {
  int holds = is(how, "held") || is(how, "robust");
  if (holds && i == 0) return holder(i);
  if (holds) await_did("child.0");
  did("child.%d", i);
  if (is(how, "cond")) {
    pthread_mutex_lock(&m->mutex);
    while (m->value == 0) pthread_cond_wait(&m->cond, &m->mutex);
    m->value++;
    pthread_mutex_unlock(&m->mutex);
  } else if (is(how, "sem")) {
    CHECK(sem_wait(&m->sem) == 0, "%d: %s", i, strerror(errno));
  } else if (is(how, "barrier")) {
    for (int r = 0; r < 5; r++)
      if (pthread_barrier_wait(&m->barrier)) __atomic_fetch_add(&m->serial, 1, __ATOMIC_SEQ_CST);
  } else if (is(how, "robust")) {
    int error = pthread_mutex_lock(&m->mutex);
    // The first one of them repairs it.
    CHECK(error == (m->value ? 0 : EOWNERDEAD), "%d: lock: %s", i, strerror(error));
    if (error) CHECK(pthread_mutex_consistent(&m->mutex) == 0, "%d: repair", i);
    m->value++;
    CHECK(pthread_mutex_unlock(&m->mutex) == 0, "%d: unlock", i);
  } else {
    enter(i, 0);
  }
}

static void make(void) {
  pthread_mutexattr_t ma;
  pthread_condattr_t ca;
  pthread_barrierattr_t ba;
  pthread_mutexattr_init(&ma), pthread_condattr_init(&ca), pthread_barrierattr_init(&ba);
  NEED(pthread_mutexattr_setpshared(&ma, 1) == 0 && pthread_condattr_setpshared(&ca, 1) == 0);
  NEED(pthread_barrierattr_setpshared(&ba, 1) == 0 && sem_init(&m->sem, 1, 0) == 0);
  if (is(how, "errorcheck")) pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_ERRORCHECK);
  if (is(how, "robust")) pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
  if (is(how, "pi")) NEED(pthread_mutexattr_setprotocol(&ma, PTHREAD_PRIO_INHERIT) == 0);
  NEED(pthread_mutex_init(&m->mutex, &ma) == 0 && pthread_cond_init(&m->cond, &ca) == 0);
  NEED(pthread_barrier_init(&m->barrier, &ba, N + 1) == 0);
}

int main(int argc, char **argv) {
  pid_t pids[N];
  how = argument(argc, argv);
  m = shared(sizeof *m);
  make();
  int mine = is(how, "mutex") || is(how, "errorcheck") || is(how, "pi");
  int theirs = is(how, "held") || is(how, "robust");
  if (mine) NEED(pthread_mutex_lock(&m->mutex) == 0);
  for (int i = 0; i < N; i++) pids[i] = child(work, i);
  for (int i = 0; i < N; i++) await_did("child.%d", i);
  for (int i = theirs; i < N; i++) await_call(pids[i], SYS_futex);
  save_here();
  CHECK(m->value == 0 && m->serial == 0, "%d, %d too early", m->value, m->serial);
  if (mine) {
    CHECK(pthread_mutex_trylock(&m->mutex) == EBUSY, "not held");
    CHECK(pthread_mutex_unlock(&m->mutex) == 0, "the parent's unlock");
  } else if (theirs) {
    CHECK(pthread_mutex_trylock(&m->mutex) == EBUSY, "not held");
    did("tried");
  } else if (is(how, "cond")) {
    pthread_mutex_lock(&m->mutex);
    m->value = 1;
    pthread_cond_broadcast(&m->cond);
    pthread_mutex_unlock(&m->mutex);
  } else if (is(how, "sem")) {
    for (int i = 0; i < N; i++) sem_post(&m->sem);
  } else {
    for (int r = 0; r < 5; r++)
      if (pthread_barrier_wait(&m->barrier)) __atomic_fetch_add(&m->serial, 1, __ATOMIC_SEQ_CST);
  }
  for (int i = 0; i < N; i++) ends_well(pids[i]);
  int want = mine ? N : theirs ? N - 1 : is(how, "cond") ? N + 1 : 0;
  CHECK(m->value == want, "value %d, not %d", m->value, want);
  if (is(how, "barrier")) CHECK(m->serial == 5, "%d serial ones", m->serial);
  return done();
}
