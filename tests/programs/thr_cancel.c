// pthread_cancel after the save, of a thread in a call, one at a condition
// variable, one that computes and may be cancelled at any time, one that has
// forbidden it; and of one that was cancelled before the save.
#include "threads.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ends[2], cleaned[6];
static volatile long spins;

static void clean(void *number) { cleaned[(long)number]++; }
static void clean_mutex(void *number) {
  CHECK(pthread_mutex_unlock(&mutex) == 0, "the mutex is not held at the cleanup");
  clean(number);
}

static int work(int i) {
  char c;
  int old;
  // Cleanup handlers of a loop that never ends.
  if (i == 2) NEED(pthread_mutex_lock(&mutex) == 0);
  if (i >= 4) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
  if (i == 3) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
  pthread_cleanup_push(i == 2 ? clean_mutex : clean, (void *)(long)i);
  if (i >= 4) pass_gate(i);
  else arrive(i);
  if (i == 0) CHECK(read(ends[0], &c, 1) == -2, "read came back");
  while (i == 1) pause();
  while (i == 2) pthread_cond_wait(&cond, &mutex);
  while (i == 3) spins++;
  if (i == 4) {
    // Forbidden until here.
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    pthread_testcancel();
  }
  pthread_cleanup_pop(0);
  return 1000 + i;
}

int main(void) {
  void *value;
  NEED(pipe(ends) == 0);
  start(6, work);
  await_call(tids[0], SYS_read);
  await_call(tids[1], SYS_pause);
  await_call(tids[2], SYS_futex);
  NEED(pthread_cancel(threads[4]) == 0);
  save_here();
  for (int i = 0; i < 4; i++) {
    CHECK(cleaned[i] == 0, "%d was cancelled before", i);
    CHECK(pthread_cancel(threads[i]) == 0, "cancel %d", i);
  }
  for (int i = 0; i < 4; i++)
    CHECK(pthread_join(threads[i], &value) == 0 && value == PTHREAD_CANCELED, "%d: %p", i, value);
  open_gate();
  CHECK(pthread_join(threads[4], &value) == 0 && value == PTHREAD_CANCELED, "4: %p", value);
  CHECK(pthread_join(threads[5], &value) == 0 && value == (void *)1005, "5: %p", value);
  for (int i = 0; i < 6; i++) CHECK(cleaned[i] == (i < 5), "cleanup of %d: %d", i, cleaned[i]);
  return done();
}
