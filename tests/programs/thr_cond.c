// Condition variables: one that is signalled, one that is broadcast to many,
// one with a time limit that passes, one with a limit far away.
// run: each=signal,broadcast,timeout,far,clock
#include "threads.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int tokens, woken;
static struct timespec limit;
static clockid_t clock_id = CLOCK_MONOTONIC;
static int timed, passes;

static int after_limit(void) {
  struct timespec t;
  clock_gettime(clock_id, &t);
  return t.tv_sec > limit.tv_sec || (t.tv_sec == limit.tv_sec && t.tv_nsec >= limit.tv_nsec);
}

static int work(int i) {
  int error = 0;
  pthread_mutex_lock(&mutex);
  arrive(i);
  while (tokens == 0 && error == 0)
    error = timed ? pthread_cond_clockwait(&cond, &mutex, clock_id, &limit)
                  : pthread_cond_wait(&cond, &mutex);
  CHECK(error == (passes ? ETIMEDOUT : 0), "thread %d: %s", i, strerror(error));
  if (passes)
    CHECK(after_limit(), "thread %d: too early", i);
  else
    tokens--;
  woken++;
  pthread_mutex_unlock(&mutex);
  return 1000 + i;
}

int main(int argc, char **argv) {
  const char *how = argument(argc, argv);
  int n = is(how, "broadcast") ? 50 : 3;
  timed = is(how, "timeout") || is(how, "far") || is(how, "clock");
  passes = is(how, "timeout") || is(how, "clock");
  if (is(how, "clock")) clock_id = CLOCK_REALTIME;
  NEED(clock_gettime(clock_id, &limit) == 0);
  limit.tv_sec += passes ? 2 : 5000;
  start(n, work);
  for (int i = 0; i < n; i++)
    if (!passes) await_call(tids[i], SYS_futex);
  save_here();
  pthread_mutex_lock(&mutex);
  CHECK(passes || woken == 0, "%d have gone on", woken);
  if (is(how, "broadcast")) {
    tokens = n;
    pthread_cond_broadcast(&cond);
  } else if (!passes) {
    for (; tokens < n; tokens++) pthread_cond_signal(&cond);
  }
  pthread_mutex_unlock(&mutex);
  join_all();
  CHECK(woken == n && tokens == 0, "%d woken, %d tokens left", woken, tokens);
  CHECK(pthread_cond_destroy(&cond) == 0, "destroy");
  return done();
}
