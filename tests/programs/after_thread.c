// pthread_create after the restore: several threads, TLS, mutexes, join.
// run: static nopie ldflags=-pthread
#include <pthread.h>

#include "probe.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long sum;
static __thread long own;

static void *work(void *argument) {
  for (int i = 0; i < 10000; i++) {
    own++;
    pthread_mutex_lock(&mutex);
    sum++;
    pthread_mutex_unlock(&mutex);
  }
  *(long *)argument = own;
  return argument;
}

int main(void) {
  pthread_t threads[4];
  long counts[4] = {0};
  save_here();
  for (int i = 0; i < 4; i++) {
    int error = pthread_create(&threads[i], NULL, work, &counts[i]);
    CHECK(error == 0, "%s", strerror(error));
    if (error) return done();
  }
  for (int i = 0; i < 4; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0, "join %d", i);
    CHECK(counts[i] == 10000, "thread %d: %ld", i, counts[i]);
  }
  CHECK(sum == 40000, "sum %ld", sum);
  return done();
}
