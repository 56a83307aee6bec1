// Processes with several threads: a child that was forked by a thread, and is
// waited for by it; a child with threads of its own; a mutex between them.
#include <pthread.h>

#include "tree.h"

static pthread_mutex_t *mutex;
static __thread int own = 1;

static void *in_child(void *value) {
  own = 5;
  did("thread.%ld", (long)value);
  wait_go();
  int error = pthread_mutex_lock(mutex);
  CHECK(error == 0 && pthread_mutex_unlock(mutex) == 0, "the child's thread: %s", strerror(error));
  CHECK(own == 5, "its variable %d", own);
  return value;
}

static void work(int i) {
  pthread_t t[3];
  void *value = NULL;
  for (long n = 0; n < 3; n++) NEED(pthread_create(&t[n], NULL, in_child, (void *)n) == 0);
  wait_go();
  CHECK(own == 2, "the variable of the thread that forked: %d", own);
  for (long n = 0; n < 3; n++)
    CHECK(pthread_join(t[n], &value) == 0 && value == (void *)n, "join of %ld: %p", n, value);
  _exit(probe_failures ? 1 : i);
}

static void *forks(void *unused) {
  int status = 0;
  own = 2;
  pid_t pid = child(work, 17);
  CHECK(waitpid(pid, &status, __WNOTHREAD) == pid && status == 17 << 8, "the thread's child: %x, %s",
        status, strerror(errno));
  return unused;
}

int main(void) {
  pthread_t t;
  pthread_mutexattr_t a;
  mutex = shared(4096);
  pthread_mutexattr_init(&a);
  NEED(pthread_mutexattr_setpshared(&a, 1) == 0);
  pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
  NEED(pthread_mutex_init(mutex, &a) == 0 && pthread_mutex_lock(mutex) == 0);
  NEED(pthread_create(&t, NULL, forks, NULL) == 0);
  for (int n = 0; n < 3; n++) await_did("thread.%d", n);
  save_here();
  probe_nap(20);
  CHECK(pthread_mutex_unlock(mutex) == 0, "the parent's mutex");
  CHECK(pthread_join(t, NULL) == 0, "join");
  return done();
}
